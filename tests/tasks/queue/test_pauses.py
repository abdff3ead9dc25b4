"""Pauses of the queue: what no runner claims, who says so, and where it is told."""

import pytest

from tasks.lifecycle import Actor, submit
from tasks.models import AuditEvent, QueuePause, Task
from tasks.queue.pauses import pause, resume
from tasks.runner import claim as claims
from tasks.runner.claim import claim
from tasks.waiting import waiting_for
from tests.factories import ApiKeyFactory, RunnerFactory
from tests.tasks.runner.test_claim import claimed_by_four_runners

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
ALICE = Actor("alice", "10.0.0.7")


@pytest.fixture
def admin():
    return {"X-API-Key": ApiKeyFactory(name="manager", scope="admin").secret}


def test_nothing_is_claimed_while_the_queue_is_paused():
    task = submit("check-integrity", {"version": "v1"}, ALICE)
    pause("", "Moving the store", ALICE)
    runner = RunnerFactory()
    assert claim(runner) is None
    waiting = waiting_for(task)
    assert (waiting.reason, waiting.message) == (
        "paused",
        "The queue is paused by alice: Moving the store",
    )
    resume("", ALICE)
    assert claim(runner) == task


def test_a_pause_of_one_type_leaves_the_others():
    submit("check-integrity", {"version": "v1"}, ALICE)
    other = submit("sync-native", {"version": "v1"}, ALICE)
    pause("check-integrity", "", ALICE)
    runner = RunnerFactory()
    assert claim(runner) == other
    assert claim(runner) is None


def test_what_is_found_before_a_pause_is_not_moved_after_it(monkeypatch):
    """On SQLite a claim is two statements; somebody may pause between them."""
    task = submit("check-integrity", {"version": "v1"}, ALICE)
    find = claims._next

    def find_and_pause(*statement):
        found = find(*statement)
        pause("", "", ALICE)
        return found

    if claims.connection.vendor != "sqlite":
        pytest.skip("one statement claims on PostgreSQL")
    monkeypatch.setattr(claims, "_next", find_and_pause)
    assert claim(RunnerFactory()) is None
    task.refresh_from_db()
    assert task.status == "pending"


@pytest.mark.django_db(transaction=True)
def test_of_four_runners_none_claims_a_paused_task():
    for n in range(8):
        submit("check-integrity", {"version": f"v{n}"}, ALICE)
    pause("check-integrity", "", ALICE)
    claimed = claimed_by_four_runners(lambda runner: [claim(runner)])
    assert claimed == [None] * 4
    assert Task.objects.pending().count() == 8


def test_programs_pause_look_and_resume(client, admin):
    kind = "application/json"
    body = {"reason": "Moving the store"}
    paused = client.post("/api/queue/pause", body, kind, headers=admin).json()["paused"]
    assert [(one["type"], one["by"], one["reason"]) for one in paused] == [
        (None, "key:manager", "Moving the store")
    ]
    client.post("/api/queue/pause", {"reason": "Twice"}, kind, headers=admin)
    assert client.get("/api/queue", headers=admin).json()["paused"] == paused
    health = client.get("/health").json()["queue"]["paused"]
    assert health == [{"type": None, "since": paused[0]["since"]}]
    answer = client.post("/api/queue/resume", headers=admin)
    assert answer.json()["paused"] == []
    actions = AuditEvent.objects.values_list("action", flat=True)
    assert list(actions) == ["queue.resume", "queue.pause"]
    assert AuditEvent.objects.first().details["before"]["reason"] == "Moving the store"


@pytest.mark.parametrize(
    ("body", "field"),
    [({"type": "snyc"}, "type"), ({"typ": "x"}, "typ"), ({"reason": 5}, "reason")],
    ids=["no-such-type", "misspelt", "no-text"],
)
def test_a_body_that_is_not_understood_is_refused(client, admin, body, field):
    kind = "application/json"
    answer = client.post("/api/queue/pause", body, kind, headers=admin)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert not QueuePause.objects.exists()


@pytest.mark.parametrize("act", ["pause", "resume"])
def test_only_admins_may(client, act):
    key = ApiKeyFactory(name="ci", scope="start")
    headers = {"X-API-Key": key.secret}
    assert client.post(f"/api/queue/{act}", headers=headers).status_code == 403


def test_the_console_says_so_and_an_admin_resumes_there(staff, person):
    pause("", "Moving the store", ALICE)
    page = staff.get("/").content.decode()
    assert "The queue is paused by alice. What runs goes on." in page
    assert "Moving the store" in page
    operator = person("operator")
    assert "/queue/resume" in page
    assert ">Resume<" not in operator.get("/").content.decode()
    operator.post("/queue/resume")
    assert QueuePause.objects.exists()
    staff.post("/queue/resume")
    assert not QueuePause.objects.exists()
