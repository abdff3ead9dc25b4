"""A step that waits for an approval: from the question to the end of the task."""

import hashlib
import json
from datetime import timedelta

import pytest
from django.utils import timezone

from tasks.approvals.ending import end_overdue
from tasks.catalog.task_type import ParameterErrors
from tasks.lifecycle import Actor, request_cancel, rerun, submit
from tasks.logs import store as log_store
from tasks.models import Approval, AuditEvent, Task
from tasks.pruning import prune
from tasks.queue import pauses
from tasks.reaper import reap
from tasks.runner.claim import claim
from tasks.waiting import waiting_for
from tests.factories import KEEP_NONE, RunnerFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]
JSON = "application/json"
CAROL = Actor("carol")


def messages(task):
    return [line.message for line in log_store.read(task.pk, 0)]


def approve(client, task, **body):
    return client.post(f"/api/tasks/{task.pk}/approve", body, JSON)


def reject(client, task, **body):
    return client.post(f"/api/tasks/{task.pk}/reject", body, JSON)


def approval_of(client, task):
    return client.get(f"/api/tasks/{task.pk}/status").json()["approval"]


# --- Asked --------------------------------------------------------------------------


def test_it_waits_without_a_runner_and_keeps_what_came_of_it(blocked, runner, lead):
    assert runner.runs == {}
    assert (blocked.step_index, blocked.step_name, blocked.slot) == (2, "Agree", None)
    assert messages(blocked)[-2:] == ["Awaiting approval by leads.", "Roll out v885?"]
    task = lead("bob").get(f"/api/tasks/{blocked.pk}/status").json()
    assert task["status"] == "blocked"
    assert task["result"] is task["completedAt"] is None
    approval = task["approval"]
    assert approval["result"]["outputs"] == {"plan": "v885"}
    assert [entry["name"] for entry in approval["result"]["results"]] == ["Plan"]
    assert (approval["by"], approval["notSelf"]) == (["leads"], True)
    assert (approval["askedBy"], approval["message"]) == ("carol", "Roll out v885?")
    assert (approval["decision"], approval["decidedBy"]) == (None, None)
    event = AuditEvent.objects.get(action="approval.ask")
    assert (event.actor, event.target) == ("carol", str(blocked.pk))


def test_what_is_approved_is_a_digest_that_anybody_can_make(blocked, lead):
    approval = approval_of(lead("bob"), blocked)
    stored = Task.objects.defer(None).get(pk=blocked.pk)
    seen = {
        "definition": stored.definition_id,
        "outputs": approval["result"]["outputs"],
        "params": {"version": "v885"},
        "results": approval["result"]["results"],
        "summary": "# v885",
    }
    text = json.dumps(seen, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert approval["approvedSha256"] == hashlib.sha256(text.encode()).hexdigest()


def test_it_keeps_its_lock_while_it_waits(blocked, runner):
    other = submit("other", {}, CAROL)
    assert claim(RunnerFactory()) is None
    assert waiting_for(other).task == blocked


def test_a_step_that_says_so_gives_the_lock_away(runner, work):
    task = work(runner, submit("latest", {}, CAROL), "blocked")
    assert not task.keeps_lock
    other = submit("latest", {}, CAROL)
    assert claim(RunnerFactory()) == other


def test_no_prune_takes_a_task_that_waits(blocked):
    list(prune(KEEP_NONE, CAROL))
    assert Task.objects.filter(pk=blocked.pk).exists()


# --- Approved -----------------------------------------------------------------------


def test_it_goes_on_behind_the_step_and_has_one_log(blocked, runner, work, lead):
    seen = approval_of(lead("bob"), blocked)["approvedSha256"]
    began = blocked.started_at
    client = lead("dora")
    answer = approve(client, blocked, comment="Tested on beta.", approvedSha256=seen)
    assert (answer.status_code, answer.json()["status"]) == (200, "pending")
    task = work(runner, blocked, "completed")
    result = task.result["results"]
    assert [entry["name"] for entry in result] == ["Plan", "Agree", "Roll out"]
    assert result[1]["approval"] == {
        "decidedBy": "dora",
        "comment": "Tested on beta.",
        "approvedSha256": seen,
    }
    assert task.result["outputs"] == {"plan": "v885", "done": "yes"}
    said = messages(task)
    assert said.count("Approved by dora.") == said.count("Tested on beta.") == 1
    assert f"approved={seen}" in said
    assert [line.seq for line in log_store.read(task.pk, 0)] == list(
        range(1, task.last_seq + 1)
    )
    assert task.log_sha256 == log_store.sha256(task.pk)
    assert (task.started_at, task.keeps_lock, task.progress) == (began, False, 100)
    stored = Task.objects.defer(None).get(pk=task.pk)
    assert stored.summary == "# v885"
    asked = Approval.objects.get()
    waited = (asked.decided_at - asked.asked_at).total_seconds() * 1000
    assert abs(task.approval_ms - waited) < 1000
    event = AuditEvent.objects.get(action="approve")
    assert (event.actor, event.details["comment"]) == ("dora", "Tested on beta.")
    assert event.details["approvedSha256"] == seen


def test_several_approvals_one_after_the_other_and_a_secret_stays_one(
    runner, work, lead
):
    bob = lead("bob")
    task = work(runner, submit("twice", {}, CAROL), "blocked")
    assert approve(bob, task).status_code == 200
    work(runner, task, "blocked")
    assert approve(bob, task).status_code == 200
    work(runner, task, "completed")
    assert messages(task).count("***") == 2
    assert "hunter2" not in "".join(messages(task))
    names = [entry["name"] for entry in task.result["results"]]
    assert names == ["First", "Between", "Second", "Last"]
    assert Approval.objects.filter(decision="approved").count() == 2


def test_time_that_it_waited_does_not_count_for_its_time_out(runner, work, lead):
    task = work(runner, submit("slow", {}, CAROL), "blocked")
    long_ago = timezone.now() - timedelta(hours=3)
    Approval.objects.update(asked_at=long_ago)
    assert approve(lead("bob"), task).status_code == 200
    work_until_ready(runner, task)
    run = runner.runs[task.pk].execution
    assert run._clock() - run._started_at < 60
    request_cancel(task.pk, CAROL, force=True)
    work(runner, task, "cancelled")
    assert task.approval_ms > 3 * 3600 * 1000


def work_until_ready(runner, task):
    while "ready" not in messages(task):
        runner.step()


def test_the_one_with_the_lock_goes_on_before_newer_ones(runner, work, lead):
    first = work(runner, submit("newest", {}, CAROL), "blocked")
    submit("newest", {}, CAROL)
    approve(lead("bob"), first)
    assert claim(RunnerFactory()) == first


def test_a_newer_one_does_not_take_the_place_of_one_that_was_approved(
    runner, work, lead
):
    first = work(runner, submit("latest", {}, CAROL), "blocked")
    approve(lead("bob"), first)
    submit("latest", {}, CAROL)
    first.refresh_from_db()
    assert first.status == "pending"


def test_a_pause_holds_it_and_a_freeze_does_not(blocked, runner, lead):
    pauses.pause("release", "", CAROL)
    assert approve(lead("bob"), blocked).status_code == 200
    assert claim(RunnerFactory()) is None
    blocked.refresh_from_db()
    assert waiting_for(blocked).reason == "paused"
    pauses.resume("release", CAROL)
    assert claim(RunnerFactory()) == blocked


# --- Rejected, timed out, cancelled -------------------------------------------------


def test_a_rejected_one_ends_as_cancelled_and_says_who_and_why(blocked, lead):
    answer = reject(lead("bob"), blocked, comment="Not on\na Friday.")
    task = answer.json()
    assert (answer.status_code, task["status"]) == (200, "cancelled")
    assert task["error"] == "Rejected by bob: Not on a Friday."
    assert task["errorCode"] == "rejected"
    assert task["result"]["outputs"] == {"plan": "v885"}
    assert task["approval"]["decision"] == "rejected"
    blocked.refresh_from_db()
    assert messages(blocked)[-1] == blocked.error
    assert blocked.log_sha256 == log_store.sha256(blocked.pk)
    assert claim(RunnerFactory()) is None
    submit("other", {}, CAROL)
    assert claim(RunnerFactory()) is not None  # the lock is free
    assert AuditEvent.objects.get(action="reject").details["comment"].startswith("Not")


def test_nobody_in_time_fails_it_once_also_where_the_clock_jumped(blocked, lead):
    Approval.objects.update(expires_at=timezone.now() - timedelta(days=300))
    assert (end_overdue(), end_overdue()) == (1, 0)
    blocked.refresh_from_db()
    assert blocked.status == "failed"
    assert blocked.error == "Nobody in leads decided on step “Agree” in time."
    assert AuditEvent.objects.filter(action="approval.time-out").count() == 1
    answer = approve(lead("bob"), blocked)
    assert answer.status_code == 409
    assert "Nobody decided in time" in answer.json()["detail"]


def test_a_decision_that_comes_too_late_is_none(blocked, lead):
    Approval.objects.update(expires_at=timezone.now())
    assert approve(lead("bob"), blocked).status_code == 409
    blocked.refresh_from_db()
    assert blocked.status == "failed"


def test_whose_clock_goes_back_waits_longer(blocked):
    Approval.objects.update(expires_at=timezone.now() + timedelta(days=300))
    assert end_overdue() == 0


def test_a_reaper_ends_what_is_overdue(blocked, runner):
    Approval.objects.update(expires_at=timezone.now())
    runner.reap()
    blocked.refresh_from_db()
    assert blocked.error_reason["code"] == "approval-timed-out"


def test_a_blocked_one_is_cancelled_at_once(blocked, lead):
    task = request_cancel(blocked.pk, CAROL)
    assert (task.status, task.keeps_lock) == ("cancelled", False)
    assert [entry["name"] for entry in task.result["results"]] == ["Plan"]
    assert messages(task)[-1] == "Cancelled by carol."
    answer = approve(lead("bob"), blocked)
    assert answer.status_code == 409
    assert "carol cancelled it" in answer.json()["detail"]


def test_an_approved_one_is_cancelled_before_it_goes_on(blocked, lead):
    approve(lead("bob"), blocked)
    task = request_cancel(blocked.pk, CAROL)
    assert task.status == "cancelled"
    names = [entry["name"] for entry in task.result["results"]]
    assert names == ["Plan", "Agree"]
    assert task.error == "Cancelled by carol."


# --- Faults -------------------------------------------------------------------------


def test_a_runner_that_dies_takes_nothing_from_who_waits(
    blocked, new_runner, work, lead
):
    blocked.runner.stopped_at = timezone.now()
    blocked.runner.save()
    assert reap() == 0
    approve(lead("bob"), blocked)
    assert work(new_runner(), blocked, "completed").attempt == 1


def test_a_runner_that_dies_right_before_the_block_leaves_a_running_task(
    runner, new_runner, work, monkeypatch
):
    task = submit("slow", {}, CAROL)

    def die(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr("tasks.runner.writer.become_blocked", die)
    with pytest.raises(KeyboardInterrupt):
        work(runner, task, "blocked")
    monkeypatch.undo()
    task.refresh_from_db()
    assert (task.status, Approval.objects.count()) == ("running", 0)
    task.runner.stopped_at = timezone.now()
    task.runner.save()
    assert reap() == 1
    assert work(new_runner(), task, "blocked").attempt == 2


def test_a_runner_that_dies_behind_the_approval_needs_no_second_one(
    runner, new_runner, work, lead, tmp_path
):
    gate = tmp_path / "gate"
    task = work(runner, submit("slow", {"gate": str(gate)}, CAROL), "blocked")
    approve(lead("bob"), task)
    work_until_ready(runner, task)
    runner.runs[task.pk].execution.kill()
    runner.row.stopped_at = timezone.now()
    runner.row.save()
    runner.runs.clear()
    assert reap() == 1
    gate.touch()
    task = work(new_runner(), task, "completed")
    assert (task.attempt, Approval.objects.count()) == (2, 1)
    assert [entry["name"] for entry in task.result["results"]] == [
        "Plan",
        "Agree",
        "Sleep",
    ]


def test_a_block_that_was_stored_and_not_heard_of_is_stored_once(
    runner, work, monkeypatch
):
    from django.db import OperationalError

    from tasks.runner import loop

    task = submit("release", {"version": "v885"}, CAROL)
    store = loop.store
    lost = []

    def store_and_lose(runs, row):
        runs = list(runs)
        is_end = any(run.execution.question for run in runs)
        found = store(runs, row)
        if is_end and not lost:
            lost.append(True)
            for run in runs:
                run.is_over = False
            raise OperationalError("the answer was lost")
        return found

    monkeypatch.setattr(loop, "store", store_and_lose)
    work(runner, task, "blocked")
    assert Approval.objects.count() == 1


def test_who_cancels_right_before_it_blocks_is_heard(runner, work, monkeypatch):
    """The wish is committed before the block is, and the runner has not heard of it."""
    from tasks.runner import loop

    task = submit("release", {"version": "v885"}, CAROL)
    store = loop.store

    def cancel_first(runs, row):
        if any(run.execution.question for run in runs):
            request_cancel(task.pk, CAROL)
        return store(runs, row)

    monkeypatch.setattr(loop, "store", cancel_first)
    work(runner, task, "cancelled")
    assert Approval.objects.count() == 0


# --- Changed ------------------------------------------------------------------------


def test_outputs_that_changed_are_not_approved(blocked, lead):
    stored = Task.objects.defer(None).get(pk=blocked.pk)
    stored.taken_over["outputs"]["plan"] = "v886"
    Task.objects.filter(pk=blocked.pk).update(taken_over=stored.taken_over)
    answer = approve(lead("bob"), blocked)
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:resource-sync:problem:changed"
    blocked.refresh_from_db()
    assert blocked.status == "blocked"


@pytest.mark.parametrize("decide", [approve, reject])
def test_what_was_not_seen_is_not_decided(blocked, lead, decide):
    answer = decide(lead("bob"), blocked, approvedSha256="0" * 64)
    assert answer.status_code == 409
    assert "Look again" in answer.json()["detail"]


def test_a_definition_that_changed_meanwhile_leaves_it_as_it_was_accepted(
    blocked, runner, work, lead, use_task_types
):
    from tests.tasks.approvals.definitions import TYPES

    use_task_types(TYPES.replace("echo approved=", "echo other="))
    assert approve(lead("bob"), blocked).status_code == 200
    work(runner, blocked, "completed")
    assert any(text.startswith("approved=") for text in messages(blocked))


# --- Rerun from a step --------------------------------------------------------------


@pytest.fixture
def failed(runner, work, lead):
    """It was approved by bob, and failed behind that."""
    task = work(runner, submit("flaky", {}, CAROL), "blocked")
    approve(lead("bob"), task)
    return work(runner, task, "failed")


def test_a_rerun_behind_an_approval_is_what_was_approved(failed, runner, work):
    again = rerun(failed, CAROL, from_step=2)
    task = work(runner, again, "failed")
    assert Approval.objects.get().sha256 in messages(task)


def test_of_anything_else_it_asks_again(failed):
    with pytest.raises(ParameterErrors, match="Start at step 1"):
        rerun(failed, CAROL, {"code": "0"}, from_step=2)


def test_an_approval_is_used_up_by_a_run_that_completed(runner, work, lead, failed):
    Task.objects.filter(pk=failed.pk).update(status="completed")
    failed.refresh_from_db()
    with pytest.raises(ParameterErrors, match="has completed"):
        rerun(failed, CAROL, from_step=2)
