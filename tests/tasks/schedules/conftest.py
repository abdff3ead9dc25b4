"""A type that can be scheduled, a morning, and schedules."""

from datetime import UTC, datetime

import pytest

from tasks.models import Schedule

TYPES = """
[nightly]
title = "Nightly"
[nightly.params.version]
pattern = "v[0-9]+"
default = "v1"
[[nightly.steps]]
command = ["true"]
"""
THREE = datetime(2026, 11, 30, 3, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _types(use_task_types):
    use_task_types(TYPES)


@pytest.fixture
def schedule():
    """Makes schedules that are due at three o'clock."""

    def make(name="nightly", **fields):
        given = {"type": "nightly", "cron": "0 3 * * *", "next_run_at": THREE}
        return Schedule.objects.create(name=name, **{**given, **fields})

    return make
