"""Releases that are signed, made once for all tests that change a copy of them."""

import pytest

from tests.resources.signed import make_signed_releases


@pytest.fixture(scope="session")
def signed_releases(tmp_path_factory):
    """A folder with two keys, a version that is served and signed, and one more."""
    root = tmp_path_factory.mktemp("signed")
    make_signed_releases(root)
    return root
