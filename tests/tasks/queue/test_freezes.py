"""Freezes: what is refused, by which door, and who may start all the same."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tasks.access.actor import ScopeTooSmall
from tasks.access.rights import GROUPS
from tasks.catalog.loader import catalog
from tasks.catalog.toml_tables import CatalogError
from tasks.lifecycle import Actor, submit
from tasks.models import AuditEvent, Freeze, Task
from tasks.queue.freezes import Frozen, active_freezes, freeze
from tests.factories import ApiKeyFactory, TaskFactory

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
ALICE = Actor("alice", "10.0.0.7")
HOUR = timedelta(hours=1)


@pytest.fixture
def frozen():
    now = timezone.now()
    return freeze(
        ["sync-*"], now - HOUR, now + HOUR, "Nobody releases on Fridays", ALICE
    )


@pytest.fixture
def admin():
    key = ApiKeyFactory(name="release-manager", scope="admin")
    return {"X-API-Key": key.secret}


def made(client, headers, **body):
    kind = "application/json"
    return client.post("/api/freezes", body, content_type=kind, headers=headers)


def test_a_frozen_type_is_not_started_and_others_are(frozen):
    with pytest.raises(Frozen, match=r"until .* UTC: Nobody releases on Fridays"):
        submit("sync-facebook", {"version": "v1"}, ALICE)
    assert not Task.objects.exists()
    assert submit("check-integrity", {"version": "v1"}, ALICE).status == "pending"


def test_a_program_is_told_the_reason_and_the_end(frozen, program):
    kind = "application/json"
    answer = program.post("/api/tasks/sync-facebook", {"version": "v1"}, kind)
    body = answer.json()
    assert (answer.status_code, body["type"]) == (
        409,
        "urn:resource-sync:problem:frozen",
    )
    assert body["reason"] == "Nobody releases on Fridays"
    assert datetime.fromisoformat(body["until"]) > timezone.now()


def test_a_rerun_is_refused_too(frozen, program):
    first = TaskFactory(type="sync-facebook", status="failed")
    assert program.post(f"/api/tasks/{first.pk}/rerun").status_code == 409


def test_the_shell_is_refused_too_unless_it_gives_a_reason(frozen):
    with pytest.raises(CommandError, match="Nobody releases on Fridays"):
        call_command("submit", "sync-facebook", "--version", "v1")
    override = ["--override-freeze", "The store is broken"]
    call_command("submit", "sync-facebook", "--version", "v1", *override)
    assert Task.objects.get().type == "sync-facebook"


@pytest.mark.parametrize("act", ["start", "rerun"])
def test_an_admin_overrides_it_and_the_trail_says_why(frozen, client, admin, act):
    override, kind = {"overrideFreeze": "The store is broken"}, "application/json"
    path = "/api/tasks/sync-facebook"
    body = {"version": "v1", **override}
    if act == "rerun":
        first = TaskFactory(type="sync-facebook", status="failed")
        path, body = f"/api/tasks/{first.pk}/rerun", override
    answer = client.post(path, body, kind, headers=admin)
    assert answer.status_code == 202
    assert "overrideFreeze" not in answer.json()["params"]
    said = AuditEvent.objects.first().details["overrideFreeze"]
    assert (said["reason"], said["frozenBecause"]) == (
        "The store is broken",
        "Nobody releases on Fridays",
    )


def test_who_is_no_admin_overrides_nothing(frozen):
    operator = Actor("olaf", None, GROUPS["operator"])
    with pytest.raises(ScopeTooSmall, match="admin"):
        submit("sync-facebook", {"version": "v1"}, operator, override_freeze="please")
    assert not Task.objects.exists()


def test_a_retried_start_gets_the_task_that_was_started_before_the_freeze():
    given = {"version": "v1"}
    first = submit("sync-facebook", given, ALICE, idempotency_key="k")
    now = timezone.now()
    freeze(["*"], now - HOUR, now + HOUR, "Friday", ALICE)
    assert submit("sync-facebook", given, ALICE, idempotency_key="k") == first


def test_it_is_made_listed_and_ended_and_the_trail_has_all_of_it(client, admin):
    now = timezone.now().replace(microsecond=0)
    answer = made(
        client,
        admin,
        types=["full-sync"],
        until=(now + HOUR).isoformat(),
        reason="Moving the store",
    )
    assert answer.status_code == 201
    body = answer.json()
    assert (body["state"], body["createdBy"]) == ("active", "key:release-manager")
    later = {"from": (now + HOUR).isoformat(), "until": (now + 2 * HOUR).isoformat()}
    made(client, admin, types=["full-sync"], reason="Again", **later)
    states = client.get("/api/freezes", headers=admin).json()["freezes"]
    assert [one["state"] for one in states] == ["active", "coming"]
    path = f"/api/freezes/{body['id']}"
    assert client.delete(path, headers=admin).status_code == 204
    assert client.delete(path, headers=admin).status_code == 404
    ended = AuditEvent.objects.first()
    assert (ended.action, ended.target) == ("freeze.delete", body["id"])
    assert ended.details["before"]["reason"] == "Moving the store"
    assert not active_freezes(timezone.now())


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"types": ["snyc-*"]}, "types"),
        ({"types": []}, "types"),
        ({"until": "2020-01-01T00:00:00Z"}, "until"),
        ({"until": "2040-01-01T00:00:00"}, "until"),
        ({"reason": " "}, "reason"),
        ({"untill": "2040-01-01T00:00:00Z"}, "untill"),
    ],
    ids=["no-such-type", "no-type", "past", "no-zone", "no-reason", "misspelt"],
)
def test_a_freeze_that_makes_no_sense_is_refused_naming_the_field(
    client, admin, change, field
):
    body = {"types": ["*"], "until": "2040-01-01T00:00:00Z", "reason": "Why"}
    answer = made(client, admin, **{**body, **change})
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == [field]
    assert not Freeze.objects.exists()


def test_only_admins_freeze(client):
    key = ApiKeyFactory(name="ci", scope="start")
    until = "2040-01-01T00:00:00Z"
    answer = made(
        client, {"X-API-Key": key.secret}, types=["*"], until=until, reason="Why"
    )
    assert answer.status_code == 403


def test_the_form_says_it_and_takes_an_admins_reason(frozen, staff, person):
    page = staff.get("/?type=sync-facebook").content.decode()
    assert "Nobody releases on Fridays" in page
    assert 'name="override-freeze"' in page
    form = {"type": "sync-facebook", "version": "v1"}
    refused = staff.post("/", form)
    assert refused.status_code == 400
    assert not Task.objects.exists()
    assert staff.post("/", {**form, "override-freeze": "Broken"}).status_code == 302
    assert "override-freeze" not in Task.objects.get().params
    operators = person("operator").get("/?type=sync-facebook").content.decode()
    assert 'name="override-freeze"' not in operators


# --- Those that repeat --------------------------------------------------------------

JOB = "[job]\n[[job.steps]]\ncommand = ['true']\n"
FRIDAY = """
[[freeze]]
types = ["job"]
reason = "Nobody releases over the weekend"
days = ["fri"]
from = "16:00"
until = "mon 08:00"
timezone = "Europe/Berlin"
"""
BERLIN = ZoneInfo("Europe/Berlin")


def test_one_that_repeats_holds_over_the_change_of_the_clocks(use_task_types):
    use_task_types(JOB + FRIDAY)
    (weekly,) = catalog().freezes
    # On Sunday, 29 March 2026, the clocks of Berlin go forward.
    sunday = datetime(2026, 3, 29, 12, tzinfo=UTC)
    begin, end = next(weekly.windows(sunday))
    assert begin.astimezone(UTC) == datetime(2026, 3, 27, 15, tzinfo=UTC)
    assert end.astimezone(UTC) == datetime(2026, 3, 30, 6, tzinfo=UTC)
    after = next(weekly.windows(end))
    assert after[0] == datetime(2026, 4, 3, 16, tzinfo=BERLIN)


def test_one_that_repeats_all_the_time_refuses(use_task_types):
    always = FRIDAY.replace('days = ["fri"]\n', "").replace('"mon 08:00"', '"16:00"')
    use_task_types(JOB + always)
    with pytest.raises(Frozen, match="over the weekend"):
        submit("job", {}, ALICE)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ('days = ["fr"]', r"freeze\[0\].days: expected some of: mon"),
        ('from = "25:00"', r"freeze\[0\].from: expected a time of day"),
        ('until = "monday"', r"freeze\[0\].until: expected a time of day"),
        ('timezone = "Berlin"', r"freeze\[0\].timezone: expected a time zone"),
        ('reason = ""', r"freeze\[0\].reason: expected one sentence"),
        ("types = []", r"freeze\[0\].types: expected names"),
        ('form = "16:00"', r"freeze\[0\].form: unknown key"),
        ('duration = "2h"', r"freeze\[0\].until: expected it or duration"),
    ],
    ids=lambda value: value.split(" ")[0].replace("\\", ""),
)
def test_a_wrong_key_is_named(use_task_types, line, wrong):
    key = line.split(" ")[0]
    kept = [one for one in FRIDAY.splitlines() if one.split(" ")[0] != key]
    use_task_types("\n".join([JOB, *kept, line]))
    with pytest.raises(CatalogError, match=wrong):
        catalog()


def test_a_type_can_not_be_called_freeze(use_task_types):
    use_task_types("[freeze]\n[[freeze.steps]]\ncommand = ['true']\n")
    with pytest.raises(CatalogError, match="no task type can have this name"):
        catalog()
