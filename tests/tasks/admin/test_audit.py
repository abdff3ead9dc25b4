"""The audit trail in the admin: found and exported, changed by nobody."""

import csv
import io

import pytest

from tasks.models import AuditEvent
from tests.factories import TaskFactory

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

AUDIT = "/admin/tasks/auditevent/"


def event(actor="alice", action="create", target="x", **more):
    return AuditEvent.objects.create(
        actor=actor, action=action, target=target, address="10.1.2.3", **more
    )


def found(client, query):
    return list(client.get(f"{AUDIT}?{query}").context["cl"].result_list)


def test_not_even_a_superuser_adds_edits_or_deletes_an_event(root):
    one = event()
    page = root.get(f"{AUDIT}{one.pk}/change/")
    assert page.status_code == 200
    assert 'name="_save"' not in page.text
    assert root.get(f"{AUDIT}add/").status_code == 403
    assert root.post(f"{AUDIT}{one.pk}/change/", {"actor": "x"}).status_code == 403
    assert root.post(f"{AUDIT}{one.pk}/delete/").status_code == 403
    form = {"action": "delete_selected", "_selected_action": [one.pk], "post": "yes"}
    root.post(AUDIT, form)
    assert AuditEvent.objects.get().actor == "alice"


def test_it_says_the_time_to_the_second(root):
    one = event()
    assert f">{one.at:%Y-%m-%d %H:%M:%S} UTC</time>" in root.get(AUDIT).text


def test_it_is_filtered_by_action_and_person(root):
    first, second = event("alice", "cancel"), event("bob", "rollback")
    assert found(root, "action=cancel") == [first]
    assert found(root, "action=rollback") == [second]
    assert found(root, "actor=bob") == [second]
    assert found(root, "actor=bob&action=cancel") == []


def test_it_is_searched_by_a_part_of_a_name_or_an_id(root):
    task = TaskFactory()
    first, second = event("key:unity-editor"), event("bob", target=str(task.pk))
    assert found(root, "q=UNITY") == [first]
    assert found(root, f"q={str(task.pk)[:8]}") == [second]
    assert found(root, "q=nobody") == []


def test_it_links_to_the_task_and_says_what_was_done(root):
    task = TaskFactory()
    event(action="rerun", target=str(task.pk), details={"type": "full-sync"})
    page = root.get(AUDIT).text
    assert f'href="/admin/tasks/task/{task.pk}/change/"' in page
    for text in ("task rerun", "full-sync", "10.1.2.3"):
        assert text in page


def test_it_is_exported(root):
    event(details={"type": "检查"})
    answer = root.get(f"{AUDIT}export/?actor=alice")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    text = answer.getvalue().decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["actor"] == "alice"
    assert row["address"] == "10.1.2.3"
    assert row["details"] == '{"type": "检查"}'
    assert row["at"].endswith("Z")


def test_who_may_not_view_it_exports_nothing(person):
    event()
    assert person("operator").get(f"{AUDIT}export/").status_code == 403
