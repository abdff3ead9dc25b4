"""Who looks at the admin."""

import pytest
from django.test import Client

from tests.factories import UserFactory


@pytest.fixture
def root(db):
    client = Client()
    client.force_login(UserFactory(username="root", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def onlooker(person):
    """May view tasks and runners, and change nothing."""
    return person("viewer")


@pytest.fixture
def act():
    """Does what the list's menu offers with some rows."""

    def act(client, action, *rows, base, **more):
        form = {"action": action, "_selected_action": [row.pk for row in rows]}
        return client.post(base, {**form, **more}, follow=True)

    return act
