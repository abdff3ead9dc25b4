"""Who looks at the admin."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import translation

from tests.factories import UserFactory


@pytest.fixture(autouse=True)
def _english():
    """A request leaves its language behind in the thread; the next test is spared."""
    with translation.override("en"):
        yield


@pytest.fixture
def root(db):
    client = Client()
    client.force_login(UserFactory(username="root", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def onlooker(alice):
    """May view everything, and change nothing."""
    alice.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client = Client()
    client.force_login(alice)
    return client


@pytest.fixture
def act():
    """Does what the list's menu offers with some rows."""

    def act(client, action, *rows, base, **more):
        form = {"action": action, "_selected_action": [row.pk for row in rows]}
        return client.post(base, {**form, **more}, follow=True)

    return act
