"""``manage.py list_schedules``: for people and for programs."""

import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from tasks.models import Schedule

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _schedules():
    soon = timezone.now() + timedelta(minutes=1)
    given = {"type": "check-integrity", "params": {"version": "v885"}}
    Schedule.objects.create(name="b", cron="0 3 * * *", next_run_at=soon, **given)
    Schedule.objects.create(name="a", cron="0 4 * * *", paused_at=soon, **given)


def test_people_get_one_line_each_by_name(capsys):
    call_command("list_schedules")
    first, second = capsys.readouterr().out.splitlines()
    assert first.split()[:3] == ["a", "paused", "–"]
    assert second.split()[:2] == ["b", "active"]
    assert second.endswith("check-integrity  0 3 * * * UTC")


def test_programs_get_what_the_api_tells(capsys):
    call_command("list_schedules", json=True)
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["name"] for one in shown] == ["a", "b"]
    assert len(shown[1]["nextRuns"]) == 5
