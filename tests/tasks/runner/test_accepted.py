"""What a task runs as when the file has changed since it was accepted."""

from datetime import timedelta

import pytest

from tasks.catalog.loader import catalog
from tasks.lifecycle import Actor, submit
from tasks.models import Task, TaskDefinition
from tasks.reaper import take_from_its_runner
from tasks.representation import describe
from tasks.runner.accepted import CannotRun, accepted
from tasks.runner.claim import claim
from tests.factories import NOON, RunnerFactory, TaskFactory

pytestmark = pytest.mark.django_db
ALICE = Actor("alice")
DEPLOY = """
[deploy]
lock = "{lock}:{where}"
idempotent = true
[deploy.params.where]
choices = ["staging", "production"]
[deploy.params.dir]
pattern = "[a-z]+"
[deploy.params.lock]
default = "deploy"
[deploy.params.token]
secret = true
required = false
[[deploy.steps]]
name = "remove"
command = ["rm", "-rf", "/srv/releases/{dir}/"]
[[deploy.steps]]
name = "copy"
command = ["cp", "{where}", "{token}"]
"""
GIVEN = {"where": "production", "dir": "old", "token": "t0ken-abc"}
OTHER = '[other]\n[[other.steps]]\nname = "of-today"\ncommand = ["true"]\n'


@pytest.fixture
def task(use_task_types):
    use_task_types(DEPLOY)
    return submit("deploy", GIVEN, ALICE)


def argv_of(task):
    kind, values, _masks = accepted(task)
    placeholders = kind.placeholders(task.pk, values)
    return [step.argv(placeholders) for step in kind.steps]


AS_ACCEPTED = [["rm", "-rf", "/srv/releases/old/"], ["cp", "production", "t0ken-abc"]]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("dir", "folder"),  # a parameter renamed
        (
            "[deploy.params.where]",
            "[deploy.params.new]\n[deploy.params.where]",
        ),  # added
        ('["rm", "-rf", "/srv/releases/{dir}/"]', '["rm", "-rf", "/"]'),
        ('[[deploy.steps]]\nname = "copy"\ncommand = ["cp", "{where}", "{token}"]', ""),
        ('lock = "{lock}:{where}"', 'lock = "other"'),
        ("secret = true", ""),
        ("idempotent = true", ""),
        ("[deploy]", f"{OTHER}[deploy]"),
    ],
)
def test_a_task_runs_as_it_was_accepted_whatever_the_file_says_now(
    task, use_task_types, old, new
):
    use_task_types(DEPLOY.replace(old, new))
    claimed = claim(RunnerFactory())
    assert argv_of(claimed) == AS_ACCEPTED
    claimed.refresh_from_db()
    assert (claimed.step_name, claimed.step_count) == ("remove", 2)
    assert claimed.lock == "deploy:production"
    assert describe(claimed, "")["params"]["token"] == "***"
    take_from_its_runner(claimed)  # its runner died
    claimed.refresh_from_db()
    assert claimed.status == "pending", "it is as idempotent as it was"
    assert argv_of(claim(RunnerFactory())) == AS_ACCEPTED


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            '["staging", "production"]',
            '["staging"]',
            "The parameter where is not accepted any more: Must be one of: staging.",
        ),
        (
            'pattern = "[a-z]+"',
            'pattern = "v[0-9]+"',
            "The parameter dir is not accepted any more: "
            "Must match the pattern v[0-9]+.",
        ),
        ("deploy", "other", "There is no task type “deploy”; there are: other."),
    ],
)
def test_what_the_file_allows_no_more_fails_with_that_reason(
    task, use_task_types, old, new, says
):
    use_task_types(DEPLOY.replace(old, new))
    with pytest.raises(CannotRun) as refused:
        accepted(task)
    assert str(refused.value) == says


def test_a_secret_that_is_refused_now_is_not_told(task, use_task_types):
    use_task_types(DEPLOY.replace("secret = true", 'secret = true\npattern = "x+"'))
    with pytest.raises(CannotRun, match="The parameter token is not accepted"):
        accepted(task)


@pytest.mark.parametrize(
    ("old", "new"), [("deploy", "other"), ('["staging", "production"]', '["staging"]')]
)
def test_a_file_that_is_older_than_the_one_it_was_accepted_by_has_no_say(
    task, use_task_types, old, new
):
    use_task_types(DEPLOY.replace(old, new))
    catalog().changed_at = task.types_changed_at - timedelta(hours=1)
    assert argv_of(task) == AS_ACCEPTED


def test_another_secret_key_is_the_reason_why_a_task_fails(task, settings):
    settings.SECRET_KEY = "another-secret-key-of-thirty-two-characters"
    with pytest.raises(CannotRun, match="SECRET_KEY has changed since it was accepted"):
        accepted(task)


def test_what_only_another_version_understands_is_not_run(task, monkeypatch):
    content = {**TaskDefinition.objects.get().content, "approval": True}
    unknown = TaskDefinition.objects.create(sha256="f" * 64, content=content)
    task.definition = unknown
    with pytest.raises(CannotRun, match="another version of the service"):
        accepted(task)


def test_a_task_from_before_definitions_were_stored_runs_as_the_file_says(
    use_task_types,
):
    use_task_types(DEPLOY)
    task = TaskFactory(type="deploy", params={**GIVEN, "lock": "x"})
    assert argv_of(task) == AS_ACCEPTED
    use_task_types(DEPLOY.replace("production", "elsewhere"))
    with pytest.raises(CannotRun, match="The parameter where is not accepted"):
        accepted(task)


def test_a_page_shows_the_steps_that_a_task_has_and_not_those_of_today(
    task, use_task_types, browser
):
    use_task_types(OTHER.replace("other", "deploy"))
    Task.objects.filter(pk=task.pk).update(
        status="running", started_at=NOON, step_index=2, step_name="copy"
    )
    page = browser.get(f"/tasks/{task.pk}").text
    assert "remove" in page
    assert "of-today" not in page
    assert "t0ken" not in page
