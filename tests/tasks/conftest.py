"""Who looks at the pages, and what of releases there is to see."""

import pytest
from django.test import Client

from resources.platforms import TITLES
from tests.tasks.served import forget_readings


@pytest.fixture
def staff(alice):
    client = Client()
    client.force_login(alice)
    return client


@pytest.fixture
def store(tmp_path, monkeypatch, settings):
    """A store without any release, as the service is told of it."""
    monkeypatch.delenv("RESOURCE_SOURCE", raising=False)
    for name in ("", *(f"_{platform.upper()}" for platform in TITLES)):
        monkeypatch.delenv(f"RESOURCE_STORE{name}", raising=False)
    settings.DATA_DIR = tmp_path
    forget_readings()
    yield tmp_path / "resources/store"
    forget_readings()
