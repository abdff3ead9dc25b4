"""The management commands, as somebody at a shell uses them."""

import json
from io import StringIO
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError, SystemCheckError
from django.db import connection
from django.test import Client
from django.utils import timezone

from tasks.lifecycle import Actor, submit
from tasks.models import ApiKey, AuditEvent, LogLine, Task
from tests.factories import RunnerFactory, TaskFactory, write_log

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def run(*arguments):
    """What a command prints."""
    output = StringIO()
    call_command(*arguments, stdout=output, stderr=StringIO())
    return output.getvalue()


def test_submit_puts_a_task_into_the_queue():
    text = run("submit", "check-integrity", "--version", "v885")
    task = Task.objects.get()
    assert str(task.pk) in text
    assert (task.type, task.params) == ("check-integrity", {"version": "v885"})
    assert task.created_by.startswith("shell")


def test_submit_says_what_the_task_waits_for_only_where_it_has_to_wait():
    arguments = ("submit", "check-integrity", "--version", "v885")
    assert run(*arguments).endswith("is in the queue. Waiting: no runner is active.\n")
    Task.objects.all().delete()
    RunnerFactory()
    assert run(*arguments).endswith(" is in the queue.\n")


def test_submit_says_which_parameter_is_wrong():
    with pytest.raises(CommandError, match=r"--version: Must match .*v\[0-9\]\+"):
        run("submit", "check-integrity", "--version", "885")
    assert not Task.objects.exists()


def test_submit_names_the_types_there_are():
    with pytest.raises(CommandError, match="check-integrity, check-store, full-sync"):
        run("submit", "check")


def test_follow_prints_every_line_and_exits_by_the_outcome():
    for status, code in (("completed", 0), ("failed", 1), ("cancelled", 2)):
        task = TaskFactory(status=status)
        write_log(task, "line 1", "line 2")
        output = StringIO()
        with pytest.raises(SystemExit) as stop:
            call_command("follow", str(task.pk), stdout=output)
        assert stop.value.code == code
        assert "line 1\n" in output.getvalue()
        assert "line 2\n" in output.getvalue()
        assert status in output.getvalue()


def test_follow_prints_the_summary_of_what_has_ended_as_it_was_written():
    text = "# v885\n\nfine\x1b[2J"
    task = TaskFactory(status="completed", summary=text, summary_bytes=len(text))
    output = StringIO()
    with pytest.raises(SystemExit):
        call_command("follow", str(task.pk), stdout=output)
    assert output.getvalue().endswith("\n# v885\n\nfine\\x1b[2J\n")
    output = StringIO()
    with pytest.raises(SystemExit):
        call_command("follow", str(task.pk), "--json", stdout=output)
    assert json.loads(output.getvalue())["task"]["summary"] == text


def test_a_task_is_found_by_the_beginning_of_its_id():
    task = TaskFactory(status="pending")
    assert str(task.pk) in run("cancel_task", str(task.pk)[:8])
    task.refresh_from_db()
    assert task.status == "cancelled"


def test_a_cancel_can_be_forced():
    task = TaskFactory(status="running", runner=RunnerFactory())
    assert "asked to stop" in run("cancel_task", str(task.pk), "--force")
    task.refresh_from_db()
    assert task.cancel_forced


@pytest.mark.parametrize("wrong", ["", "zzz", "12345678-1234-1234-1234-123456789abc"])
def test_an_id_of_no_task_is_named(wrong):
    with pytest.raises(CommandError, match="list_tasks"):
        run("cancel_task", wrong)


def test_a_beginning_of_several_ids_is_refused():
    for last in "12":
        TaskFactory(pk=f"abcdef00-0000-4000-8000-00000000000{last}")
    with pytest.raises(CommandError, match="Several tasks"):
        run("cancel_task", "abcdef")


def test_what_has_ended_cannot_be_cancelled():
    task = TaskFactory(status="completed")
    with pytest.raises(CommandError, match="already ended"):
        run("cancel_task", str(task.pk))


def test_list_tasks_shows_the_newest_first_and_filters():
    older = submit("check-integrity", {"version": "v1"}, Actor("a"))
    newer = submit("update-reuse", {"version": "v2"}, Actor("a"))
    lines = run("list_tasks").splitlines()
    assert lines[0].startswith(str(newer.pk))
    assert lines[1].startswith(str(older.pk))
    assert str(newer.pk) not in run("list_tasks", "--type", "check-integrity")
    assert run("list_tasks", "--status", "running") == ""
    shown = [json.loads(line) for line in run("list_tasks", "--json").splitlines()]
    assert [task["id"] for task in shown] == [str(newer.pk), str(older.pk)]


def test_prune_keeps_the_newest_and_what_has_not_ended():
    old, *kept = TaskFactory.create_batch(3, status="completed")
    running = TaskFactory(status="running")
    pinned = TaskFactory(status="failed", pinned=True)
    write_log(old, "x")
    assert "Deleted 1 " in run("prune_tasks", "--keep", "2")
    assert AuditEvent.objects.get().actor.startswith("shell")
    assert set(Task.objects.all()) == {*kept, running, pinned}
    assert not LogLine.objects.exists()


def test_prune_says_so_where_everything_is_kept(settings):
    settings.TASK_RETENTION = 0
    with pytest.raises(CommandError, match="TASK_RETENTION is 0"):
        run("prune_tasks")


def test_prune_says_beforehand_what_would_go_and_why(settings):
    settings.TASK_RETENTION_SIZE = 1024
    old, new = TaskFactory.create_batch(2, status="completed")
    write_log(old, "x" * 700)
    write_log(new, "y" * 700)
    text = run("prune_tasks", "--dry-run")
    assert f"{old.pk}  check-integrity" in text
    assert "1 lines, 701 bytes  beyond 1KiB of logs" in text
    assert "Nothing was deleted. 1 finished tasks would be" in text
    said = run("prune_tasks", "--dry-run", "--json")
    shown = [json.loads(line) for line in said.splitlines()]
    assert (shown[0]["id"], shown[0]["reason"]) == (str(old.pk), "size")
    assert shown[1] == {"wouldDelete": 1, "lines": 1, "bytes": 701}
    assert Task.objects.count() == 2


def test_prune_takes_a_type_alone():
    kept = TaskFactory(status="completed", type="sync-native")
    TaskFactory(status="completed")
    assert "Deleted 1 " in run(
        *("prune_tasks", "--type", "check-integrity", "--keep", "0")
    )
    assert Task.objects.get() == kept
    with pytest.raises(CommandError, match="--type needs to be told what is kept"):
        run("prune_tasks", "--type", "check-integrity")


@pytest.mark.parametrize(
    ("option", "value", "takes"),
    [
        ("--keep", "-1", "expected a whole number of finished tasks to keep; 0 for"),
        ("--age", "90", "expected a duration in s, m, h or d, e.g. 90d"),
        ("--size", "2GB", "expected bytes, or a size in KiB, MiB or GiB"),
    ],
)
def test_prune_names_an_option_s_wrong_value(option, value, takes):
    with pytest.raises(CommandError) as error:
        run("prune_tasks", f"{option}={value}")
    assert f"argument {option}: '{value}' is not valid; {takes}" in str(error.value)


def test_a_limit_of_nothing_leaves_the_others(settings):
    settings.TASK_RETENTION, settings.TASK_RETENTION_AGE = 0, 60
    with pytest.raises(CommandError, match="there is no other limit"):
        run("prune_tasks", "--age", "0")


def test_vacuum_says_that_postgresql_needs_none():
    if connection.vendor != "postgresql":
        pytest.skip("SQLite's file is made smaller, see tests/e2e/test_retention.py")
    with pytest.raises(CommandError, match="This is for SQLite"):
        run("vacuum_database")


def test_a_new_key_is_shown_once_and_opens_the_door(client):
    secret = run("create_api_key", "构建机").strip()
    key = ApiKey.objects.get()
    assert key.name == "构建机"
    assert secret not in (key.digest, key.prefix)
    assert AuditEvent.objects.filter(action="key.create").exists()
    assert client.get("/api/tasks", headers={"X-API-Key": secret}).status_code == 200


def test_a_key_takes_a_scope_an_end_and_addresses():
    said = run(
        *("create_api_key", "ci", "--json", "--scope", "start"),
        *("--expires", "2999-01-31", "--allow", "10.0.0.0/8", "--allow", "::1,1.2.3.4"),
    )
    made = json.loads(said)
    assert made["scope"] == "start"
    assert made["expiresAt"] == "2999-02-01T00:00:00.000Z"
    assert made["allow"] == ["10.0.0.0/8", "::1/128", "1.2.3.4/32"]
    key = ApiKey.objects.known_as(made["key"])
    assert (key.scope, key.networks) == ("start", "10.0.0.0/8, ::1/128, 1.2.3.4/32")
    details = AuditEvent.objects.get().details
    assert (details["scope"], details["addresses"]) == ("start", key.networks)


def test_a_key_for_which_nothing_is_said_starts_tasks_and_no_more():
    errors = StringIO()
    call_command("create_api_key", "ci", stdout=StringIO(), stderr=errors)
    assert ApiKey.objects.get().scope == "start"
    assert "ci (start)" in errors.getvalue()


def test_a_key_takes_several_scopes():
    options = ("--scope", "start:check-integrity,cancel", "--scope", "cancel")
    made = json.loads(run("create_api_key", "ci", "--json", *options))
    assert made["scopes"] == ["start:check-integrity", "cancel"]
    assert ApiKey.objects.get().scope == "start:check-integrity cancel"


def test_a_key_may_end_after_so_many_days():
    run("create_api_key", "ci", "--expires", "90d")
    days = (ApiKey.objects.get().expires_at - timezone.now()).total_seconds() / 86_400
    assert 89.9 < days < 90


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--scope", "root", "There is no scope 'root'; there are: read, start,"),
        ("--scope", "start,root", "no scope 'root'"),
        ("--scope", "start:", "no scope 'start:'"),
        ("--scope", "start:nope", "no task type “nope”"),
        ("--scope", " ", "A key needs a scope."),
        ("--expires", "soon", "'soon' is no time"),
        ("--expires", "2020-01-01", "is over already"),
        ("--expires", "0d", "is over already"),
        ("--expires", "9999-12-31", "is no time"),
        ("--allow", "10.0.0.0/33", "10.0.0.0/33"),
        ("--allow", "10.0.0.1/8", "host bits"),
    ],
)
def test_a_key_is_not_made_where_an_option_is_wrong(option, value, says):
    with pytest.raises(CommandError) as caught:
        run("create_api_key", "ci", option, value)
    assert says in str(caught.value)
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\nb"])
def test_a_key_needs_a_name(name):
    with pytest.raises(CommandError, match="printable"):
        run("create_api_key", name)
    assert not ApiKey.objects.exists()


def test_the_runner_refuses_a_type_that_is_not_there():
    with pytest.raises(CommandError, match="no task type 'nope'"):
        run("run_tasks", "--types", "nope", "--once")


def signs_in(link):
    client = Client()
    path = urlsplit(link).path
    return client.get(path).status_code == 302 and client.get("/").context["user"]


def test_a_sign_in_link_lets_the_administrator_in_who_forgot_the_password():
    User.objects.create_superuser("zoe")
    admin = User.objects.create_superuser("admin")
    link = run("sign_in_link").strip()
    assert link.startswith("http://127.0.0.1:3000/sign-in/")
    assert signs_in(link) == admin
    assert not signs_in(link)


def test_a_sign_in_link_is_made_for_the_account_that_is_named(alice):
    shown = json.loads(run("sign_in_link", alice.username, "--json"))
    assert (shown["username"], shown["expiresInSeconds"]) == (alice.username, 3600)
    assert signs_in(shown["url"]) == alice


def test_no_sign_in_link_is_made_that_would_not_work(alice):
    User.objects.create_user("guest")
    with pytest.raises(CommandError, match=r"'guest' can't sign in: .* staff"):
        run("sign_in_link", "guest")
    with pytest.raises(CommandError, match=rf"no account 'bob'.*: {alice.username}\."):
        run("sign_in_link", "bob")


def test_without_an_administrator_a_sign_in_link_names_the_command_that_makes_one():
    with pytest.raises(CommandError, match="createsuperuser"):
        run("sign_in_link")


@pytest.mark.parametrize("command", ["list_tasks", "run_tasks"])
def test_a_file_of_task_types_that_is_wrong_stops_a_command(use_task_types, command):
    use_task_types("[job]\n")
    with pytest.raises(SystemCheckError, match=r"tasks\.E001.*job\.steps"):
        call_command(command, skip_checks=False)
