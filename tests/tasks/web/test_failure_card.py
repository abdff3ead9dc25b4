"""What a task's page says where the task has failed."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tasks.models import Task
from tasks.presenters.last_success import last_success
from tasks.reasons import Reason
from tests.factories import TaskFactory

pytestmark = pytest.mark.django_db

PACK = """
[pack]
title = "Pack"
[pack.params.version]
[pack.params.quality]
title = "Quality"
choices = ["low", "high"]
labels = {low = "small files", high = "good looks"}
[pack.params.token]
secret = true
required = false
[[pack.steps]]
name = "atlas"
command = ["true"]
"""
KEY_ERROR = "KeyError: 'sprites'"


@pytest.fixture
def pack(use_task_types):
    use_task_types(PACK)


def failed(reason, code=1, first_error=None, **fields):
    result = {"results": [{"name": "atlas", "exitCode": code, "durationMs": 100}]}
    if first_error:
        result["firstError"] = {"seq": 241, "message": first_error}
    return TaskFactory(
        type="pack",
        status=Task.Status.FAILED,
        error=str(reason),
        error_reason=reason.as_json(),
        result=result,
        **fields,
    )


def card(client, task):
    html = client.get(f"/tasks/{task.pk}").text
    within = html[html.index('data-part="card"') : html.index('class="task-body"')]
    return " ".join(within.split())


def test_it_leads_with_what_the_program_said_and_where(staff, pack):
    reason = Reason("step-failed", step="atlas", exitCode=1, reason=KEY_ERROR)
    html = card(staff, failed(reason, first_error=KEY_ERROR))
    assert 'data-part="cause">KeyError: &#x27;sprites&#x27;</p>' in html
    assert "Step “atlas” failed with exit code 1.</p>" in html
    assert 'href="#L241"> Go to line 241 </a>' in html


def test_where_something_else_ended_it_this_leads(staff, pack):
    reason = Reason("timed-out", seconds=7200)
    html = card(staff, failed(reason, first_error=KEY_ERROR))
    assert 'data-part="error">Timed out after 7200 s.</p>' in html
    assert 'data-part="cause"' not in html
    assert "#L241" in html


@pytest.mark.parametrize(
    ("code", "words"),
    [(137, "Exit code 137: killed (out of memory?)"), (3, None)],
)
def test_an_exit_code_that_is_known_is_said_in_words(staff, pack, code, words):
    reason = Reason("step-failed", step="atlas", exitCode=code)
    html = card(staff, failed(reason, code=code))
    assert ("Exit code" in html) is bool(words)
    assert words is None or words in html
    assert "Go to line" not in html


def test_it_says_when_it_worked_and_what_was_different(staff, pack):
    ended = timezone.now() - timedelta(hours=14)
    common = {"version": "v884", "token": "****"}
    last = TaskFactory(
        type="pack",
        version="v884",
        status=Task.Status.COMPLETED,
        params={**common, "quality": "low"},
        created_at=ended,
        completed_at=ended,
        created_by="lin",
    )
    reason = Reason("step-failed", step="atlas", exitCode=1)
    task = failed(reason, params={**common, "version": "v885", "quality": "high"})
    TaskFactory(type="pack", status=Task.Status.COMPLETED)
    html = card(staff, task)
    assert f'Last success: <a href="/tasks/{last.pk}"><time' in html
    assert '14 h ago</time></a>, by lin · <span class="code">v884</span>' in html
    assert f"/compare?a={last.pk}&amp;b={task.pk}" in html
    assert "Quality: <del>small files</del> → <ins>good looks</ins>" in html
    assert html.count("<del>") == 1


def test_the_last_success_is_of_the_same_type_and_before_it(pack):
    TaskFactory(type="pack", status=Task.Status.FAILED)
    TaskFactory(status=Task.Status.COMPLETED)
    first, last = (
        TaskFactory(type="pack", status=Task.Status.COMPLETED) for _ in range(2)
    )
    task = TaskFactory(type="pack", status=Task.Status.FAILED)
    TaskFactory(type="pack", status=Task.Status.COMPLETED)
    assert last_success(task) == last
    assert last_success(first) is None


def test_only_what_failed_has_a_card(staff, pack):
    for status in (Task.Status.COMPLETED, Task.Status.RUNNING):
        assert "<p" not in card(staff, TaskFactory(type="pack", status=status))
    reason = Reason("cancelled", by="lin")
    task = failed(reason)
    Task.objects.filter(pk=task.pk).update(status=Task.Status.CANCELLED)
    html = card(staff, task)
    assert "Cancelled by lin." in html
    assert "Last success" not in html
