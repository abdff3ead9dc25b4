"""Which finished tasks are beyond a limit, of all types or of one."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tasks.access.actor import Actor
from tasks.catalog import loader
from tasks.catalog.task_type import Retention
from tasks.models import AuditEvent, Task
from tasks.pruning import prune_at_leisure
from tasks.retention import sizes
from tasks.retention.forecast import doomed
from tasks.retention.limits import AGE, COUNT, SIZE, Limit, limits
from tasks.retention.selection import beyond
from tests.factories import TaskFactory, write_log

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
CRON = Actor("shell:cron")
TYPES = """
[nightly]
retention = {count = 1}
[[nightly.steps]]
command = ["true"]
[audited]
retention = {count = 0, age = 0}
[[audited.steps]]
command = ["true"]
[build]
[[build.steps]]
command = ["true"]
"""


@pytest.fixture(autouse=True)
def _no_limits_but_those_of_a_test(settings, monkeypatch):
    settings.TASK_RETENTION = 0
    settings.TASK_RETENTION_AGE = settings.TASK_RETENTION_SIZE = 0
    monkeypatch.setattr("tasks.pruning.MAX_REST_SECONDS", 0)


@pytest.fixture
def types(tmp_path, settings):
    path = tmp_path / "types.toml"
    path.write_text(TYPES)
    settings.TASK_TYPES_FILE = [path]
    loader.catalog.cache_clear()
    yield
    loader.catalog.cache_clear()


def ended(days=0, **fields):
    """A task that ended so many days ago."""
    at = timezone.now() - timedelta(days=days)
    return TaskFactory(status="completed", completed_at=at, **fields)


def of_size(count, **fields):
    """A task whose log has so many bytes as text."""
    task = ended(**fields)
    write_log(task, "x" * (count - 1))
    return task


def general(kind, value):
    return Limit(kind, value, (), for_others=True)


def ids(tasks):
    return {task.pk for task in tasks}


def test_what_ended_longer_ago_goes_the_oldest_first():
    old, young, older = ended(3), ended(1), ended(9)
    found = beyond(general(AGE, 2 * 86_400))
    assert [task.pk for task in found] == [older.pk, old.pk]
    prune_at_leisure([general(AGE, 2 * 86_400)], CRON)
    assert Task.objects.get() == young


def test_of_a_size_the_newest_that_fit_stay():
    tasks = [of_size(100) for _ in range(5)]
    prune_at_leisure([general(SIZE, 250)], CRON)
    assert ids(Task.objects.all()) == ids(tasks[3:])


def test_logs_that_fit_to_the_byte_stay():
    tasks = [of_size(100) for _ in range(3)]
    prune_at_leisure([general(SIZE, 300)], CRON)
    assert ids(Task.objects.all()) == ids(tasks)


def test_the_newest_task_stays_though_its_log_alone_is_too_large():
    of_size(10)
    huge = of_size(5_000)
    prune_at_leisure([general(SIZE, 100)], CRON)
    assert Task.objects.get() == huge


def test_a_size_is_that_of_the_log_as_text_in_bytes():
    task = ended()
    write_log(task, "发布", "", "three")
    prune_at_leisure([general(SIZE, 10**9)], CRON)
    task.refresh_from_db()
    assert task.log_bytes == len("发布\n\nthree\n".encode())


def test_a_long_log_is_measured_bit_by_bit(monkeypatch):
    monkeypatch.setattr(sizes, "LINES_AT_ONCE", 10)
    task = ended()
    write_log(task, *["1234"] * 25)
    assert len(list(sizes.measure([general(SIZE, 10**9)]))) == 4
    task.refresh_from_db()
    assert task.log_bytes == 125


def test_nothing_is_measured_where_no_limit_asks_for_it():
    task = of_size(100)
    prune_at_leisure([general(COUNT, 5), general(AGE, 86_400)], CRON)
    task.refresh_from_db()
    assert task.log_bytes is None


@pytest.mark.parametrize("kind", [COUNT, AGE, SIZE])
def test_what_waits_runs_is_asked_about_or_is_pinned_stays(kind):
    long_ago = timezone.now() - timedelta(days=400)
    stay = [
        TaskFactory(created_at=long_ago),
        TaskFactory(status="running", created_at=long_ago),
        TaskFactory(status="blocked", created_at=long_ago),
        of_size(1_000, days=300, pinned=True),
    ]
    old, last = of_size(1_000, days=200), of_size(10)
    value = {COUNT: 1, AGE: 86_400, SIZE: 100}[kind]
    prune_at_leisure([general(kind, value)], CRON)
    assert ids(Task.objects.all()) == ids([*stay, last])
    assert not Task.objects.filter(pk=old.pk).exists()


@pytest.mark.usefixtures("types")
def test_a_type_with_a_limit_of_its_own_is_not_counted_with_the_others(settings):
    settings.TASK_RETENTION, settings.TASK_RETENTION_AGE = 2, 10 * 86_400
    builds = [ended(type="build") for _ in range(4)]
    nightly = [ended(type="nightly") for _ in range(3)]
    audited = [ended(type="audited", days=500) for _ in range(3)]
    unknown = [ended(type="of-another-file") for _ in range(1)]
    prune_at_leisure(limits(), CRON)
    left = ids(Task.objects.all())
    assert left == ids([builds[-1], *unknown, nightly[-1], *audited])


@pytest.mark.usefixtures("types")
def test_a_limit_that_a_type_leaves_out_is_that_of_the_settings(settings):
    settings.TASK_RETENTION_AGE = 86_400
    ended(type="nightly", days=3)
    prune_at_leisure(limits(), CRON)
    assert not Task.objects.exists()


@pytest.mark.usefixtures("types")
def test_what_somebody_names_stands_for_the_settings_and_not_for_what_types_say(
    settings,
):
    settings.TASK_RETENTION, settings.TASK_RETENTION_AGE = 50, 86_400
    named = limits(Retention(count=7, age_seconds=0))
    assert named == [
        Limit(COUNT, 7, ("nightly", "audited"), for_others=True),
        Limit(COUNT, 1, ("nightly",), for_others=False),
    ]
    only = limits(Retention(count=0), "audited")
    assert only == [Limit(COUNT, 0, ("audited",), for_others=False)]


def test_without_a_limit_there_is_none():
    assert limits() == []
    ended(days=5_000)
    assert prune_at_leisure(limits(), CRON).tasks == 0


@pytest.mark.usefixtures("types")
def test_a_forecast_is_what_comes_to_pass(settings):
    settings.TASK_RETENTION, settings.TASK_RETENTION_AGE = 6, 10 * 86_400
    settings.TASK_RETENTION_SIZE = 2_500
    for number in range(12):
        of_size(
            100 * (1 + number % 5),
            days=20 - 2 * number,
            type=("build", "nightly", "audited")[number % 3],
            pinned=number == 4,
        )
    before = ids(Task.objects.all())
    told = {task.pk: size for task, size in doomed(limits())}
    assert ids(Task.objects.all()) == before
    sizes_before = dict(Task.objects.values_list("pk", "last_seq"))
    pruned = prune_at_leisure(limits(), CRON)
    assert before - ids(Task.objects.all()) == set(told)
    assert 0 < pruned.tasks == len(told) < 12
    assert pruned.lines == sum(sizes_before[pk] for pk in told)
    assert all(size >= 100 for size in told.values())


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (general(COUNT, 1), {"kept": 1}),
        (general(AGE, 36 * 3600), {"olderThan": "36h"}),
        (general(SIZE, 1024), {"keptSize": "1KiB"}),
        (Limit(COUNT, 1, ("x",), for_others=False), {"kept": 1, "type": "x"}),
    ],
)
def test_the_audit_trail_says_by_which_limit_a_task_went(limit, said):
    of_size(1_000, days=9, type="x")
    of_size(1_000, type="x")
    prune_at_leisure([limit], CRON)
    details = AuditEvent.objects.get().details
    assert details["deleted"] == details["lines"] == 1
    assert said.items() <= details.items()
