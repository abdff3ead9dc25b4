"""A rerun from a step: what it takes over, and where it can't start."""

import select

import pytest

from tasks.catalog.task_type import ParameterErrors
from tasks.lifecycle import Actor, rerun, submit
from tasks.models import AuditEvent, Task
from tasks.runner.claim import claim
from tasks.runner.run import Run
from tests.factories import RunnerFactory, fork_server
from tests.tasks.queue.definitions import TYPES

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
ALICE = Actor("alice")


@pytest.fixture(autouse=True)
def _types(use_task_types):
    use_task_types(TYPES)


def run(task):
    """Run a task that waits to its end, and store that."""
    claimed = claim(RunnerFactory())
    assert claimed == task
    execution = Run.claimed(claimed, fork_server()).execution
    while execution.outcome is None:
        execution.advance()
        pipes = execution.child.open_pipes if execution.child else ()
        for fd in select.select(pipes, [], [], 0.01)[0]:
            execution.read(fd)
    Task.objects.move(
        task.pk,
        "running",
        execution.outcome,
        completed_at=task.created_at,
        result=execution.result,
        error_reason=execution.reason and execution.reason.as_json(),
    )
    task.refresh_from_db()
    return task


@pytest.fixture
def failed():
    """Its third step failed."""
    task = run(submit("chain", {"version": "v1"}, ALICE))
    assert task.status == "failed"
    return task


def test_it_starts_there_and_has_what_came_before(failed):
    again = rerun(failed, ALICE, {"guard": "30"}, from_step=3)
    again = run(again)
    assert again.status == "completed"
    assert (again.step_index, again.step_name) == (3, "Check")
    results = again.result["results"]
    taken = [entry.get("takenFrom") for entry in results]
    assert [entry["name"] for entry in results] == ["Fetch", "Pack", "Check"]
    assert taken == [str(failed.pk), str(failed.pk), None]
    assert again.result["outputs"] == {
        "fetched": "v1",
        "packed": "yes",
        "checked": "30",
    }
    assert AuditEvent.objects.first().details["fromStep"] == 3


def test_outputs_of_the_step_that_failed_are_not_taken_over(failed):
    assert failed.result["outputs"]["checked"] == "20"
    again = rerun(failed, ALICE, from_step=3)
    stored = Task.objects.defer(None).get(pk=again.pk).taken_over
    assert stored["outputs"] == {"fetched": "v1", "packed": "yes"}


@pytest.mark.parametrize(
    ("params", "step", "why"),
    [
        ({}, 4, "from 1 to 3"),
        ({}, 0, "from 1 to 3"),
        ({"version": "v2"}, 3, "Step 1 ran with another value of version"),
    ],
    ids=["beyond", "before", "another-version"],
)
def test_where_it_can_not_start_it_says_why(failed, params, step, why):
    with pytest.raises(ParameterErrors, match=why):
        rerun(failed, ALICE, params, from_step=step)
    assert Task.objects.count() == 1


def test_a_step_that_is_another_one_today_is_not_taken_over(failed, use_task_types):
    use_task_types(TYPES.replace("packed::yes", "packed::no"))
    with pytest.raises(ParameterErrors, match="Step 2 is another one today"):
        rerun(failed, ALICE, from_step=3)


def test_a_step_that_was_not_done_is_not_skipped(failed):
    failed.result["results"] = failed.result["results"][:1]
    failed.save(update_fields=["result"])
    with pytest.raises(ParameterErrors, match="Step 2 was not done"):
        rerun(failed, ALICE, from_step=3)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"fromStep": "3"}, "fromStep"),
        ({"fromStep": True}, "fromStep"),
        ({"from_step": 3}, "from_step"),
        ({"overrideFreeze": ""}, "overrideFreeze"),
    ],
    ids=["text", "bool", "misspelt", "no-reason"],
)
def test_a_body_that_is_not_understood_is_refused(failed, program, body, field):
    answer = program.post(f"/api/tasks/{failed.pk}/rerun", body, "application/json")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert Task.objects.count() == 1


def test_the_page_offers_it_and_asks_first(failed, staff):
    page = staff.get(f"/tasks/{failed.pk}").content.decode()
    path = f"/tasks/{failed.pk}/rerun"
    assert f"{path}?from=3" in page
    question = staff.get(f"{path}?from=3").content.decode()
    assert "It starts at step 3; the steps before are taken over." in question
    staff.post(path, {"sure": "yes", "from": "3"})
    again = run(Task.objects.get(rerun_of=failed))
    assert [entry["name"] for entry in again.result["results"]][2:] == ["Check"]
    assert "taken over" in staff.get(f"/tasks/{again.pk}").content.decode()
