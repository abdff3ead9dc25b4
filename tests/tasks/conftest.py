"""Who looks at the pages, and what of releases there is to see."""

import pytest
from django.test import Client

from resources.platforms import TITLES
from tasks import release_history, releases


@pytest.fixture
def staff(alice):
    client = Client()
    client.force_login(alice)
    return client


@pytest.fixture
def store(tmp_path, monkeypatch, settings):
    """A store without any release, as the service is told of it."""
    for name in ("", *(f"_{platform.upper()}" for platform in TITLES)):
        monkeypatch.delenv(f"RESOURCE_STORE{name}", raising=False)
    settings.DATA_DIR = tmp_path
    _forget_stores()
    yield tmp_path / "resources/store"
    _forget_stores()


def _forget_stores():
    releases.reader.cache_clear()
    release_history.history_reader.cache_clear()
