"""The history: filters, pages, figures; and that it stays quick when it is long."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks.catalog.loader import catalog
from tasks.estimates import usual_seconds
from tasks.models import Task
from tasks.presenters.statistics import MOST_RUNS, Run, figures, percentile
from tasks.web import history
from tests.factories import NOON, TaskFactory

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def versions(answer):
    return [shown.task.version for shown in answer.context["tasks"]]


def link(html, rel):
    """Where "older" (next) or "newer" (prev) leads; None where there is no more."""
    found = re.search(rf'href="([^"]+)"\s+rel="{rel}"', html)
    return found and found[1].replace("&amp;", "&")


def test_strangers_and_non_staff_are_asked_to_log_in(stranger, bob):
    assert stranger.get("/history")["Location"] == "/admin/login/?next=/history"
    stranger.force_login(bob)
    assert stranger.get("/history").status_code == 302


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["v4", "v3", "v2", "v1"]),
        ("type=full-sync", ["v2"]),
        ("version=v3", ["v3"]),
        ("status=failed", ["v3"]),
        ("status=pending", ["v4"]),
        ("by=BO", ["v1"]),
        ("q=full", ["v3", "v2"]),  # a type, and an error
        ("from=2025-11-26&to=2025-11-26", ["v2"]),
        ("from=2025-11-27", ["v4", "v3"]),
        ("to=2025-11-25", ["v1"]),
        ("status=completed&by=alice", ["v2"]),
        ("q=nothing+like+it", []),
    ],
)
def test_tasks_are_found_by_type_version_status_person_time_and_text(
    staff, query, found
):
    done, day = Task.Status.COMPLETED, timedelta(days=1)
    TaskFactory(version="v1", status=done, created_by="bob", created_at=NOON - day)
    TaskFactory(version="v2", status=done, type="full-sync", created_at=NOON)
    TaskFactory(version="v3", status="failed", error="disk full", created_at=NOON + day)
    TaskFactory(version="v4", created_at=NOON + day * 2)
    assert versions(staff.get(f"/history?{query}")) == found


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("status=broken", "Must be one of: pending, running, completed"),
        ("from=yesterday", "Must be a day, such as 2025-11-26."),
        ("q=" + "x" * 201, "Too long: at most 200 characters."),
    ],
)
def test_a_filter_that_means_nothing_is_said_and_finds_nothing(staff, query, problem):
    TaskFactory()
    answer = staff.get(f"/history?{query}")
    assert problem in answer.text
    assert versions(answer) == []


@pytest.mark.parametrize("query", ["q=%00", "to=9999-12-31", "at=nonsense", "by=%25"])
def test_an_odd_address_is_no_error(staff, query):
    TaskFactory()
    assert staff.get(f"/history?{query}").status_code == 200


def test_one_goes_through_the_pages_and_back_while_new_tasks_come(staff, monkeypatch):
    monkeypatch.setattr(history, "PAGE_TASKS", 2)
    for number in range(1, 6):
        TaskFactory(version=f"v{number}", created_at=NOON + timedelta(minutes=number))
    TaskFactory(type="full-sync", version="v9", created_at=NOON)
    first = staff.get("/history?type=check-integrity")
    assert versions(first) == ["v5", "v4"]
    assert link(first.text, "prev") is None
    TaskFactory(version="v6")  # comes meanwhile, and moves nothing
    second = staff.get("/history" + link(first.text, "next"))
    assert versions(second) == ["v3", "v2"]
    third = staff.get("/history" + link(second.text, "next"))
    assert versions(third) == ["v1"]
    assert link(third.text, "next") is None
    back = staff.get("/history" + link(third.text, "prev"))
    assert versions(back) == ["v3", "v2"]


def test_what_a_filter_says_stays_in_the_form(staff):
    query = "q=%3Cb%3E&type=gone&status=failed&from=2025-11-26"
    html = " ".join(staff.get(f"/history?{query}").text.split())
    for part in (
        'value="&lt;b&gt;"',
        "<option selected>gone</option>",
        '<option value="failed" selected>',
        'value="2025-11-26"',
    ):
        assert part in html


# --- Figures ------------------------------------------------------------------------


def runs(*seconds, status="completed", day=None):
    return [Run(status, day or NOON.date(), each) for each in seconds]


def test_median_and_percentile_are_of_what_completed():
    found = figures(
        "sync", runs(*range(1, 21)) + runs(500, status="failed"), NOON.date()
    )
    assert (found.median, found.p95) == ("10 s", "19 s")
    assert found.runs == 21


def test_a_percentile_is_a_value_that_was_there():
    assert percentile([3, 1, 2], 95) == 3
    assert percentile([7], 95) == 7
    assert percentile(range(1, 101), 95) == 95


@pytest.mark.parametrize(
    ("completed", "failed", "cancelled", "percent"),
    [(3, 1, 0, 75), (3, 1, 6, 75), (2, 0, 0, 100), (0, 2, 0, 0), (0, 0, 2, None)],
)
def test_success_is_judged_by_what_completed_or_failed(
    completed, failed, cancelled, percent
):
    found = figures(
        "sync",
        runs(*[1] * completed)
        + runs(*[1] * failed, status="failed")
        + runs(*[1] * cancelled, status="cancelled"),
        NOON.date(),
    )
    assert found.success == percent


def test_each_of_thirty_days_has_its_bar_and_the_longest_is_the_highest():
    yesterday = NOON.date() - timedelta(days=1)
    found = figures(
        "sync",
        runs(10, 30)
        + runs(5, day=yesterday)
        + runs(9, status="failed", day=yesterday - timedelta(days=1)),
        NOON.date(),
    )
    heights = [day.height for day in found.days]
    assert len(heights) == 30
    assert heights[-3:] == [0, 7, 28]
    assert [day.failed for day in found.days[-3:]] == [1, 0, 0]
    assert found.plot_words == "Daily median: 5 s to 20 s; failed: 1"


def test_the_page_shows_each_types_figures_as_a_table_and_a_plot(staff):
    now = timezone.now()
    for seconds, status in ((10, "completed"), (20, "completed"), (5, "failed")):
        TaskFactory(
            status=status,
            created_at=now,
            started_at=now,
            completed_at=now + timedelta(seconds=seconds),
        )
    TaskFactory(
        type="full-sync", status="completed", created_at=now - timedelta(days=40)
    )
    html = staff.get("/history").text
    section = re.search(r'<section class="statistics".*?</section>', html, re.S)[0]
    words = " ".join(re.sub(r"<[^>]+>", " ", section).split())
    assert "check-integrity 3 67 % 15 s 20 s" in words
    assert "full-sync" not in words  # too long ago
    assert 'role="img"' in section
    assert "Day by day" not in section
    chosen = staff.get("/history?type=check-integrity").text
    assert f'<th scope="row">{now:%Y-%m-%d}</th>' in chosen


def test_of_very_many_runs_the_newest_count_and_that_is_said(staff):
    now = timezone.now()
    made = [
        Task(
            type="check-integrity",
            status="completed",
            created_at=now - timedelta(seconds=number),
            started_at=now,
            completed_at=now + timedelta(seconds=1 if number < MOST_RUNS else 99),
        )
        for number in range(MOST_RUNS + 10)
    ]
    Task.objects.bulk_create(made)
    answer = staff.get("/history")
    (found,) = answer.context["statistics"]
    assert (found.runs, found.is_cut, found.p95) == (MOST_RUNS, True, "1 s")
    assert f"There were more; only the newest {MOST_RUNS} are counted." in answer.text


# --- Speed --------------------------------------------------------------------------


@pytest.fixture
def long_history():
    """Enough that a plan without an index would be a worse one."""
    now = timezone.now()
    made = [
        Task(
            type="full-sync" if number % 1000 == 0 else "check-integrity",
            version=f"v{number % 500}",
            status="completed",
            created_at=now - timedelta(minutes=number),
            started_at=now,
            completed_at=now,
            result={"success": True, "results": [{"name": "x" * 200}]},
        )
        for number in range(5_000)
    ]
    Task.objects.bulk_create(made, batch_size=500)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


@pytest.mark.parametrize("query", ["", "type=full-sync", "q=v77", "by=alice"])
def test_the_number_of_queries_does_not_grow_with_the_history(staff, query):
    def queries():
        with CaptureQueriesContext(connection) as asked:
            staff.get(f"/history?{query}")
        return len(asked)

    TaskFactory(status="failed", version="v77")
    few = queries()
    TaskFactory.create_batch(80, status="failed", version="v77", error="It broke.")
    assert queries() == few <= 10 + len(catalog())  # one a type: how long it takes


@pytest.mark.parametrize("text", ["nothing like it", "v77", "is full"])
def test_a_search_reads_small_indexes_and_the_rows_of_what_failed(
    staff, long_history, text
):
    for version in ("v1", "v77"):
        TaskFactory(status="failed", version=version, error="The disk is full.")
    with CaptureQueriesContext(connection) as asked:
        staff.get("/history", {"q": text})
    statements = [
        each["sql"]
        for each in asked
        if "LIKE" in each["sql"] or "LIMIT 51" in each["sql"]
    ]
    assert len(statements) >= 5  # three kinds of names, two kinds of errors
    is_sqlite = connection.vendor == "sqlite"
    with connection.cursor() as cursor:
        if not is_sqlite:  # in its eyes 5,000 rows are few: what matters is that it can
            cursor.execute("SET LOCAL enable_seqscan = off")
        for statement in statements:
            sql = statement if is_sqlite else statement.replace("%", "%%")
            explain = "EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN "
            cursor.execute(explain + sql)
            for row in cursor.fetchall():
                step = str(row[-1])
                assert "Seq Scan" not in step
                assert "SCAN tasks_task" not in step or re.search(
                    "COVERING INDEX|task_failed|task_cancelled", step
                ), step


# Both of them find the few of a rare type; which one sorts is PostgreSQL's choice.
WITH_TYPES = "_type"


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("", "task_by_number_type"),
        ("type=full-sync", WITH_TYPES),
        ("version=v77", "task_by_version_number"),
    ],
)
def test_a_page_is_read_along_an_index(staff, long_history, query, index):
    with CaptureQueriesContext(connection) as asked:
        staff.get(f"/history?{query}")
    statements = [each["sql"] for each in asked if "tasks_task" in each["sql"]]
    assert statements
    explain = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
    plans = []
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(explain + statement)
            plans.append(str(cursor.fetchall()))
    assert index in plans[0]
    for plan in plans:
        assert "Seq Scan" not in plan
        assert "SCAN tasks_task'" not in plan
        assert "TEMP B-TREE" not in plan


def test_how_long_a_rare_type_takes_is_read_along_the_index_with_types(long_history):
    with CaptureQueriesContext(connection) as asked:
        assert usual_seconds(["full-sync"]) == {"full-sync": 0.0}
    (statement,) = asked
    explain = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
    with connection.cursor() as cursor:
        cursor.execute(explain + statement["sql"])
        assert WITH_TYPES in str(cursor.fetchall())
