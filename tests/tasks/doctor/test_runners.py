"""Runners: whether they live, of which version they are, and what they take."""

import os
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from tasks.catalog.loader import catalog
from tasks.doctor import runners
from tasks.doctor.findings import State
from tasks.liveness.processes import process_space, process_started
from tests.factories import RunnerFactory

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def told(check):
    return [(finding.state, finding.text) for finding in check()]


def test_a_living_runner_of_this_version_is_fine():
    RunnerFactory(name="one", version=settings.VERSION)
    says = f"Runners that are alive: one ({settings.VERSION})."
    assert told(runners.runners) == [(State.OK, says)]


def test_without_a_runner_nothing_is_started():
    (finding,) = runners.runners()
    assert finding.state is State.PROBLEM
    assert "systemctl start" in finding.advice


@pytest.mark.parametrize("noted", [True, False])
def test_a_runner_without_a_sign_of_life_is_named_whether_or_not_anybody_looked(noted):
    ago = timezone.now() - timedelta(minutes=2)
    RunnerFactory(name="stale", heartbeat_at=ago, is_silent=noted)
    (none, stale) = told(runners.runners)
    assert none[0] is State.PROBLEM
    assert stale[0] is State.WARNING
    assert "stale on build-mac gave no sign of life for 12" in stale[1]


def test_a_runner_of_another_version_is_named():
    RunnerFactory(name="old", version="1.0.0")
    states = told(runners.runners)
    assert states[1] == (
        State.WARNING,
        f"The runner old is of version 1.0.0, this code of {settings.VERSION}.",
    )


def test_a_runner_that_was_started_before_the_code_was_changed_is_named():
    here = {"process_space": process_space(), "pid": os.getpid()}
    here["process_started"] = process_started(os.getpid())
    long_ago = timezone.now() - timedelta(days=4000)
    RunnerFactory(version=settings.VERSION, started_at=long_ago, **here)
    assert "before the code was changed" in told(runners.runners)[1][1]


def test_crashes_are_told():
    RunnerFactory(version=settings.VERSION)
    RunnerFactory.create_batch(2, stopped_at=timezone.now(), crashed=True)
    assert told(runners.runners)[-1] == (
        State.WARNING,
        "2 runners crashed within the last 10 minutes.",
    )


def test_types_that_no_runner_takes_are_named(use_task_types):
    use_task_types(
        '[new]\n[[new.steps]]\ncommand = ["true"]\n'
        '[old]\n[[old.steps]]\ncommand = ["true"]\n'
    )
    RunnerFactory(name="one", known_types=["old", "gone"])
    assert told(runners.types) == [
        (State.PROBLEM, "No runner takes new: such tasks wait for ever."),
        (
            State.WARNING,
            "The runner one knows types that the files no longer have: gone.",
        ),
    ]
    RunnerFactory(known_types=["new", "old"])
    assert told(runners.types)[-1][1] == "The runners take the 2 types of the files."


def test_a_runner_that_is_to_take_few_leaves_the_others():
    RunnerFactory(types=["check-integrity"], known_types=["check-integrity"])
    (finding,) = runners.types()
    assert "full-sync" in finding.text
    assert "--types" in finding.advice


def test_labels_that_no_runner_has_are_named(use_task_types):
    use_task_types('[ios]\nlabels = ["mac"]\n[[ios.steps]]\ncommand = ["true"]\n')
    RunnerFactory(name="one", version="1", labels=["gpu"], known_types=[])
    (finding,) = runners.types()
    assert finding.state is State.PROBLEM
    assert "the labels that ios needs (mac)" in finding.text
    assert "RUNNER_LABELS=mac" in finding.advice
    assert "one (1, gpu)" in told(runners.runners)[0][1]
    RunnerFactory(labels=["mac"], known_types=["ios"])
    assert told(runners.types) == [
        (State.OK, "The runners take the 1 type of the files.")
    ]


def test_types_that_cannot_be_read_are_a_problem(use_task_types):
    use_task_types("[broken]\n")
    (finding,) = runners.types()
    assert (finding.state, "broken" in finding.text) == (State.PROBLEM, True)


def test_a_runner_from_before_types_were_noted_takes_any():
    RunnerFactory(known_types=None)
    assert told(runners.types)[0][0] is State.OK
    assert catalog()
