"""Start, cancel, run again: checked, announced and recorded in one place."""

import os
from contextlib import closing
from importlib import import_module

import pytest
from django.apps import apps
from django.db import IntegrityError, transaction

from tasks.catalog.loader import catalog
from tasks.catalog.task_type import ParameterErrors
from tasks.lifecycle import (
    Actor,
    IdempotencyConflict,
    UnknownTaskType,
    request_cancel,
    rerun,
    submit,
)
from tasks.liveness.processes import process_space, process_started
from tasks.logs import store as log_store
from tasks.models import AuditEvent, Runner, StatusConflict, Task
from tasks.notifications import subscribe, wait
from tasks.reaper import take_from_its_runner
from tasks.runner.accepted import accepted
from tasks.secrets.encryption import opened
from tests.factories import NOON, RunnerFactory, TaskFactory, write_log

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
ALICE = Actor("alice", "10.0.0.7")


def test_a_submitted_task_waits_and_the_trail_says_who():
    task = submit("check-integrity", {"version": "v885"}, ALICE)
    assert (task.status, task.version, task.step_count) == ("pending", "v885", 3)
    assert task.lock == "version:v885"
    event = AuditEvent.objects.get()
    assert (event.actor, event.address, event.action) == ("alice", "10.0.0.7", "create")
    assert event.target == str(task.pk)


def test_an_unknown_type_is_refused_naming_those_there_are():
    with pytest.raises(
        UnknownTaskType, match="check-integrity, check-store, full-sync"
    ):
        submit("chek", {}, ALICE)
    assert not Task.objects.exists()


def test_a_rerun_is_a_new_task_linked_to_the_first():
    first = TaskFactory(status="failed", params={"version": "v885"})
    again = rerun(first, ALICE)
    assert again.pk != first.pk
    assert (again.rerun_of, again.params, again.status) == (
        first,
        first.params,
        "pending",
    )
    assert AuditEvent.objects.get().action == "rerun"


def test_a_waiting_task_is_cancelled_at_once():
    task = submit("full-sync", {"version": "v1"}, ALICE)
    cancelled = request_cancel(task.pk, Actor("bob"))
    assert cancelled.status == "cancelled"
    assert cancelled.error == "Cancelled by bob before it started."
    assert cancelled.completed_at
    assert cancelled.result == {"success": False, "results": []}


def test_a_running_task_is_asked_to_stop_and_asking_twice_is_no_error():
    task = TaskFactory(status="running", runner=RunnerFactory())
    for who in ("alice", "bob"):
        asked = request_cancel(task.pk, Actor(who))
        assert asked.status == "running"
        assert asked.cancel_requested_by == "alice"
    assert AuditEvent.objects.count() == 1


def test_a_cancel_may_be_forced_later_and_the_first_who_asked_stays():
    task = TaskFactory(status="running", runner=RunnerFactory())
    assert not request_cancel(task.pk, Actor("alice")).cancel_forced
    forced = request_cancel(task.pk, Actor("bob"), force=True)
    assert (forced.cancel_forced, forced.cancel_requested_by) == (True, "alice")
    assert request_cancel(task.pk, Actor("alice")).cancel_forced


@pytest.mark.django_db(transaction=True)
def test_the_runners_hear_of_a_cancel_and_of_force():
    task = TaskFactory(status="running", runner=RunnerFactory())
    with closing(subscribe("runners")) as news:
        news.receive()
        for force in (False, True):
            request_cancel(task.pk, ALICE, force=force)
            assert str(task.pk) in wait(news, 10)


def stopped(runner):
    Runner.objects.filter(pk=runner.pk).update(stopped_at=runner.heartbeat_at)


def dead_on_this_host(runner):
    here = {"process_space": process_space(), "pid": 2**22 - 1}
    Runner.objects.filter(pk=runner.pk).update(**here)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("fate", [stopped, dead_on_this_host])
def test_a_task_whose_runner_is_gone_is_cancelled_here_and_now(fate, force):
    runner = RunnerFactory(name="mac-1")
    task, other = TaskFactory.create_batch(2, status="running", runner=runner)
    write_log(task, "one")
    fate(runner)
    cancelled = request_cancel(task.pk, ALICE, force=force)
    assert cancelled.status == "cancelled"
    assert cancelled.error.startswith("Cancelled by alice; The runner mac-1 stopped ")
    assert cancelled.error.endswith("; 1 line was kept.")
    assert cancelled.log_sha256 == log_store.sha256(task.pk)
    other.refresh_from_db()
    assert other.status == "running"  # of the others the reaper decides


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("is_silent", [False, True])
def test_a_runner_elsewhere_that_is_only_silent_keeps_the_task_until_it_is_dead(
    is_silent, force
):
    runner = RunnerFactory(is_silent=is_silent, heartbeat_at=NOON)
    task = TaskFactory(status="running", runner=runner)
    assert request_cancel(task.pk, ALICE, force=force).status == "running"


def test_a_runner_here_that_can_not_give_a_heartbeat_keeps_its_task():
    runner = RunnerFactory(
        heartbeat_at=NOON,
        process_space=process_space(),
        pid=os.getpid(),
        process_started=process_started(os.getpid()),
    )
    task = TaskFactory(status="running", runner=runner)
    assert request_cancel(task.pk, ALICE, force=True).status == "running"


def test_the_second_cancel_ends_a_task_whose_runner_died_after_the_first():
    runner = RunnerFactory()
    task = TaskFactory(status="running", runner=runner)
    assert request_cancel(task.pk, ALICE).status == "running"
    stopped(runner)
    assert request_cancel(task.pk, Actor("bob")).status == "cancelled"


def test_a_task_that_went_back_to_the_queue_can_be_cancelled_there():
    task = TaskFactory(attempt=2)
    write_log(task, "one")
    cancelled = request_cancel(task.pk, ALICE)
    assert (cancelled.status, cancelled.error) == ("cancelled", "Cancelled by alice.")


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_nothing_leaves_an_end_state(status):
    task = TaskFactory(status=status)
    with pytest.raises(StatusConflict, match=f"is {status}"):
        request_cancel(task.pk, ALICE)
    with pytest.raises(ValueError, match="never goes"):
        Task.objects.move(task.pk, status, "running")


def test_a_move_from_another_state_changes_nothing():
    task = TaskFactory(status="pending")
    with pytest.raises(StatusConflict):
        Task.objects.move(task.pk, "running", "failed")
    task.refresh_from_db()
    assert task.status == "pending"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("audience", ["viewers", "runners"])
def test_a_new_task_is_announced(audience):
    with closing(subscribe(audience)) as news:
        news.receive()
        task = submit("full-sync", {"version": "v1"}, ALICE)
        assert str(task.pk) in wait(news, 10)


@pytest.mark.django_db(transaction=True)
def test_a_task_that_was_rolled_back_is_not_announced():
    from django.db import transaction

    with closing(subscribe("runners")) as news:
        news.receive()
        with transaction.atomic():
            task = submit("full-sync", {"version": "v1"}, ALICE)
            transaction.set_rollback(True)
        kept = submit("full-sync", {"version": "v2"}, ALICE)
        heard = wait(news, 10)
    assert str(kept.pk) in heard
    assert str(task.pk) not in heard


SECRET = """
[login]
lock = "login:{token}"
[login.params.token]
secret = true
[login.params.version]
secret = true
default = "d3fault-version"
[login.params.site]
required = false
[[login.steps]]
command = ["echo", "{token}", "{site}"]
"""


def columns_of(task):
    """All that the database has of a task, as one text."""
    task.refresh_from_db()
    columns = [getattr(task, field.attname) for field in Task._meta.concrete_fields]
    events = AuditEvent.objects.values_list("details", flat=True)
    return str([*columns, *events])


def test_a_secret_is_stored_encrypted_and_nowhere_else(use_task_types):
    use_task_types(SECRET)
    task = submit("login", {"token": "t0ken-abc", "site": "eu"}, ALICE)
    assert task.params == {"token": "***", "version": "***", "site": "eu"}
    assert task.version == "***"
    assert "t0ken" not in columns_of(task)
    assert "d3fault" not in columns_of(task)
    kept = opened(task.pk, task.secret_values)
    assert kept == {"token": "t0ken-abc", "version": "d3fault-version"}


def test_equal_secrets_make_equal_locks_that_do_not_show_them(use_task_types):
    use_task_types(SECRET)
    locks = [
        submit("login", {"token": token}, ALICE).lock
        for token in ("t0ken-abc", "t0ken-abc", "t0ken-xyz")
    ]
    assert locks[0] == locks[1] != locks[2]
    assert locks[0].startswith("login:")
    assert "t0ken" not in str(locks)


def test_a_lock_that_is_longer_than_its_column_is_a_digest(use_task_types):
    use_task_types(SECRET.replace("{token}", "{site}", 1))
    locks = [
        submit("login", {"token": "t0ken-abc", "site": site}, ALICE).lock
        for site in ("a" * 1000, "a" * 1000, "a" * 999 + "b")
    ]
    assert locks[0] == locks[1] != locks[2]
    assert max(map(len, locks)) <= 500


@pytest.mark.parametrize("token", ["abc", "    ", " abc ", ""])
def test_a_secret_that_is_too_short_to_be_hidden_is_refused(use_task_types, token):
    use_task_types(SECRET.replace("secret = true", "secret = true\npattern = '.*'", 1))
    with pytest.raises(
        ParameterErrors, match="token: It is secret, so it must have at"
    ):
        submit("login", {"token": token}, ALICE)


def test_a_task_that_is_cancelled_while_it_waits_forgets_its_secrets(use_task_types):
    use_task_types(SECRET)
    task = submit("login", {"token": "t0ken-abc"}, ALICE)
    assert request_cancel(task.pk, ALICE).secret_values is None


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_task_whose_runner_died_forgets_its_secrets(use_task_types, cancelled):
    use_task_types(SECRET)
    task = submit("login", {"token": "t0ken-abc"}, ALICE)
    Task.objects.move(task.pk, "pending", "running", started_at=task.created_at)
    task.refresh_from_db()
    if cancelled:
        request_cancel(task.pk, ALICE)
    else:
        assert take_from_its_runner(task)
    task.refresh_from_db()
    assert task.has_ended
    assert task.secret_values is None


def test_a_task_that_goes_back_to_the_queue_keeps_its_secrets(use_task_types):
    use_task_types(SECRET.replace("[login]", "[login]\nidempotent = true", 1))
    task = submit("login", {"token": "t0ken-abc"}, ALICE)
    Task.objects.move(task.pk, "pending", "running", started_at=task.created_at)
    task.refresh_from_db()
    assert take_from_its_runner(task)
    task.refresh_from_db()
    assert task.status == "pending"
    assert opened(task.pk, task.secret_values)["token"] == "t0ken-abc"


def test_the_database_lets_no_task_end_with_its_secrets(use_task_types):
    use_task_types(SECRET)
    task = submit("login", {"token": "t0ken-abc"}, ALICE)
    ended = Task.objects.filter(pk=task.pk)
    with pytest.raises(IntegrityError), transaction.atomic():
        ended.update(status="failed", completed_at=task.created_at)


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, {"token", "version"}),
        ({"token": "t0ken-abc"}, {"version"}),
        ({"site": "us"}, {"token", "version"}),
    ],
)
def test_a_rerun_needs_each_secret_again(use_task_types, given, missing):
    use_task_types(SECRET)
    first = submit("login", {"token": "t0ken-abc", "site": "eu"}, ALICE)
    with pytest.raises(ParameterErrors) as refused:
        rerun(first, ALICE, given)
    again = "It is secret, so it has to be given again."
    assert refused.value.errors == {name: [again] for name in missing}
    assert Task.objects.count() == 1


def test_a_rerun_with_its_secrets_runs_with_those(use_task_types):
    use_task_types(SECRET)
    first = submit("login", {"token": "t0ken-abc", "site": "eu"}, ALICE)
    task = rerun(first, ALICE, {"token": "t0ken-xyz", "version": "v885"})
    assert task.params == {"token": "***", "version": "***", "site": "eu"}
    kept = {"token": "t0ken-xyz", "version": "v885"}
    assert opened(task.pk, task.secret_values) == kept


def test_what_was_secret_when_it_was_accepted_has_to_be_given_again(use_task_types):
    use_task_types(SECRET)
    first = submit("login", {"token": "t0ken-abc"}, ALICE)
    use_task_types(SECRET.replace("secret = true", ""))
    with pytest.raises(ParameterErrors, match="token: It is secret"):
        rerun(first, ALICE, {"version": "v1"})


def test_a_repeated_key_with_another_secret_is_another_request(use_task_types):
    use_task_types(SECRET)
    submit("login", {"token": "t0ken-abc"}, ALICE, idempotency_key="k")
    submit("login", {"token": "t0ken-abc"}, ALICE, idempotency_key="k")
    with pytest.raises(IdempotencyConflict):
        submit("login", {"token": "t0ken-xyz"}, ALICE, idempotency_key="k")
    assert Task.objects.count() == 1


# --- Tasks from before --------------------------------------------------------------

migration = import_module("tasks.migrations.0014_what_tasks_were_accepted_with")


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_the_migration_forgets_the_secrets_of_what_has_ended(use_task_types, status):
    use_task_types(SECRET)
    params = {"token": "t0ken-abc", "version": "v3rsion", "site": "eu"}
    task = TaskFactory(
        type="login", params=params, version="v3rsion", status=status, lock="t0ken-abc"
    )
    plain = TaskFactory(status=status)
    migration.hide_secrets(apps, None)
    task.refresh_from_db()
    plain.refresh_from_db()
    assert task.params == {"token": "***", "version": "***", "site": "eu"}
    assert (task.version, task.secret_values, task.lock) == ("***", None, None)
    assert plain.params == {"version": "v885"}


@pytest.mark.parametrize("status", ["pending", "running"])
def test_the_migration_encrypts_the_secrets_of_what_has_not_ended(
    use_task_types, status
):
    use_task_types(SECRET)
    params = {"token": "t0ken-abc", "site": "eu"}
    task = TaskFactory(
        type="login", params=params, status=status, lock="login:t0ken-abc"
    )
    migration.hide_secrets(apps, None)
    assert "t0ken" not in columns_of(task)
    assert task.lock == submit("login", {"token": "t0ken-abc"}, ALICE).lock
    kind, values, _masks = accepted(task)
    assert values == params
    assert next(p for p in kind.params if p.name == "token").secret


def test_the_migration_leaves_what_nobody_knows(use_task_types, settings):
    task = TaskFactory(type="gone", params={"token": "hunter22"}, status="completed")
    migration.hide_secrets(apps, None)
    settings.TASK_TYPES_FILE = settings.BASE_DIR / "no-such-file"
    catalog.cache_clear()
    migration.hide_secrets(apps, None)
    task.refresh_from_db()
    assert task.params == {"token": "hunter22"}
