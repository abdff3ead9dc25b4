"""The audit trail: what is written in it stays, whoever asks."""

import pytest
from django.db import IntegrityError, connection, transaction

from tasks.lifecycle import Actor, rerun, submit
from tasks.models import AuditEvent, AuditIsFinal
from tests.factories import TaskFactory

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
ALICE = Actor("alice", "10.0.0.7")


@pytest.fixture
def event(db):
    return AuditEvent.objects.create(actor="alice", action="create", target="x")


@pytest.mark.parametrize(
    "act",
    [
        lambda event: event.save(),
        lambda event: event.delete(),
        lambda event: AuditEvent.objects.update(actor="bob"),
        lambda event: AuditEvent.objects.filter(pk=event.pk).update(actor="bob"),
        lambda event: AuditEvent.objects.bulk_update([event], ["actor"]),
        lambda event: AuditEvent.objects.all().delete(),
        lambda event: AuditEvent.objects.update_or_create(
            pk=event.pk, defaults={"actor": "bob"}
        ),
    ],
)
def test_the_code_refuses_to_change_or_delete_an_event(event, act):
    with pytest.raises(AuditIsFinal, match="neither changed nor deleted"):
        act(event)
    assert AuditEvent.objects.values_list("actor", flat=True).get() == "alice"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tasks_auditevent SET actor = 'bob'",
        "DELETE FROM tasks_auditevent",
        pytest.param(
            "TRUNCATE tasks_auditevent",
            marks=pytest.mark.skipif(
                connection.vendor != "postgresql", reason="SQLite has no TRUNCATE"
            ),
        ),
        pytest.param(
            "INSERT OR REPLACE INTO tasks_auditevent (id, actor, action, target, "
            "details) SELECT id, 'bob', action, target, details FROM tasks_auditevent",
            marks=pytest.mark.skipif(
                connection.vendor != "sqlite", reason="PostgreSQL has no REPLACE"
            ),
        ),
    ],
)
def test_the_database_refuses_it_too(event, statement):
    with (
        pytest.raises(IntegrityError, match="neither changed nor deleted"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert AuditEvent.objects.values_list("actor", flat=True).get() == "alice"


def test_a_rollback_is_found_by_its_own_name_also_when_it_is_run_again():
    first = submit("rollback", {"version": "v884"}, ALICE)
    rerun(first, ALICE)
    submit("check-integrity", {"version": "v884"}, ALICE)
    events = AuditEvent.objects.order_by("pk").values_list("action", "actor", "address")
    rollback = ("rollback", "alice", "10.0.0.7")
    assert list(events) == [rollback, rollback, ("create", "alice", "10.0.0.7")]


def test_a_rerun_says_of_which_task_and_what_is_another():
    first = submit("check-integrity", {"version": "v884"}, ALICE)
    rerun(first, ALICE)
    rerun(first, ALICE, {"version": "v885"})
    plain, changed = AuditEvent.objects.filter(action="rerun").order_by("pk")
    assert plain.details["rerunOf"] == changed.details["rerunOf"] == str(first.pk)
    assert "changed" not in plain.details
    assert changed.details["changed"] == ["version"]


def test_what_is_written_about_a_task_outlives_it():
    task = TaskFactory(status="failed")
    again = rerun(task, ALICE)
    type(again).objects.all().delete()
    assert AuditEvent.objects.get().target == str(again.pk)
