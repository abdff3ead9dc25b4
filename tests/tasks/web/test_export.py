"""Whether this server wrote an export: /tasks/{id}/export."""

import uuid

import pytest
from django.test import override_settings

from tasks.presenters.export.signature import signature
from tests.factories import TaskFactory

pytestmark = pytest.mark.django_db
DIGEST = "ab" * 32


def ask(client, task_id, **query):
    response = client.get(f"/tasks/{task_id}/export", query)
    assert response.status_code == 200
    return response.text


def test_what_it_signed_is_its_own_also_when_the_task_is_gone(staff):
    task_id = uuid.uuid4()
    page = ask(staff, task_id, digest=DIGEST, signature=signature(task_id, DIGEST))
    assert "✓ This server wrote that file" in page
    assert "The task itself has been deleted." in page


def test_it_leads_to_a_task_that_is_still_there(staff):
    task = TaskFactory(status="completed")
    page = ask(staff, task.pk, digest=DIGEST, signature=signature(task.pk, DIGEST))
    assert f'href="/tasks/{task.pk}"' in page
    assert "has been deleted" not in page


@pytest.mark.parametrize("change", ["digest", "signature", "task"])
def test_what_it_did_not_sign_is_not(staff, change):
    task_id = uuid.uuid4()
    query = {"digest": DIGEST, "signature": signature(task_id, DIGEST)}
    if change == "task":
        task_id = uuid.uuid4()
    else:
        query[change] = "00" * 32
    page = ask(staff, task_id, **query)
    assert "✕ This server did not write that file" in page
    assert "✓ This server" not in page


def test_without_a_digest_it_asks_for_a_file(staff):
    page = ask(staff, uuid.uuid4())
    assert 'type="file"' in page
    assert "✓" not in page
    assert "that file" not in page


def test_what_was_signed_with_another_secret_key_is_of_another_server(staff):
    task_id = uuid.uuid4()
    with override_settings(SECRET_KEY="another-one-as-long-as-it-has-to-be"):
        made = signature(task_id, DIGEST)
    page = ask(staff, task_id, digest=DIGEST, signature=made)
    assert "✕ This server did not write that file" in page


def test_strangers_are_sent_to_the_sign_in_and_come_back(client):
    response = client.get(f"/tasks/{uuid.uuid4()}/export?digest=x")
    assert response.status_code == 302
    assert "digest%3Dx" in response["Location"]
