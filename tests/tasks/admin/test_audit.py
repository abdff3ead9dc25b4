"""The audit trail in the admin: found and exported, changed by nobody."""

import csv
import io
import re
import uuid

import pytest

from tasks.admin.audit_words import WORDS
from tasks.models import AuditEvent
from tasks.timestamps import iso
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
    for text in (">rerun<", "Full sync", "full-sync", "10.1.2.3"):
        assert text in page


def said(client, one):
    """What the list says of an event: the verb, and the object's text."""
    row = client.get(f"{AUDIT}?q={one.target}").text
    cells = re.findall(r'<td class="field-(?:did|what)">(.*?)</td>', row)
    return [re.sub("<[^>]*>", "", cell) for cell in cells]


def test_what_was_done_stands_apart_from_what_it_was_done_to(root):
    task = str(uuid.uuid4())
    release = {"type": "rollback", "params": {"version": "v884"}}
    started = event(action="rollback", target=task, details=release)
    assert said(root, started) == ["start", f"Roll back v884 {task[:8]}"]
    assert started.label == "task started"
    again = event(action="rollback", target="x", details={**release, "rerunOf": task})
    assert again.label == "task rerun"
    assert said(root, event(action="user.change", target="carol")) == [
        "change",
        "account carol",
    ]
    assert said(root, event(action="strange", target="thing")) == ["strange", "thing"]


def test_every_act_is_said_by_a_verb_and_an_object():
    assert set(WORDS) == set(AuditEvent.Action.values)


def test_a_schedule_a_freeze_and_the_queue_are_no_tasks(root):
    for action, details in (
        ("schedule.pause", {"name": "nightly"}),
        ("freeze.create", {}),
    ):
        AuditEvent.objects.create(
            actor="ada", action=action, target=str(uuid.uuid4()), details=details
        )
    AuditEvent.objects.create(actor="ada", action="queue.pause", target="sync-native")
    page = root.get("/admin/tasks/auditevent/").text
    assert "schedule nightly" in page
    assert "queue sync-native" in page
    assert "/admin/tasks/task/" not in page.partition('id="result_list"')[2]


def test_a_key_is_linked_by_its_name(root):
    one = event(action="key.create", target="wall display (1a2b3c4d…)")
    page = root.get(f"{AUDIT}?q=wall").text
    assert 'href="/admin/tasks/apikey/?q=wall+display"' in page
    assert root.get(f"{AUDIT}{one.pk}/change/").context["subtitle"] == (
        "key created · wall display (1a2b3c4d…)"
    )


def test_its_titles_are_in_the_reader_s_language(root):
    one = event(action="cancel", target=str(uuid.uuid4()))
    root.cookies["django_language"] = "zh-hans"
    page = root.get(f"{AUDIT}{one.pk}/change/", headers={"Accept-Language": "zh-hans"})
    assert page.context["subtitle"].startswith("取消任务")


def test_one_event_has_its_time_in_utc_to_the_millisecond(root):
    one = event()
    assert iso(one.at) in root.get(f"{AUDIT}{one.pk}/change/").text


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
    assert (row["action"], row["verb"], row["object"]) == ("create", "start", "task")


def test_who_may_not_view_it_exports_nothing(person):
    event()
    assert person("operator").get(f"{AUDIT}export/").status_code == 403
