"""The history: filters, pages, figures; and that it stays quick when it is long."""

import re
from datetime import timedelta
from itertools import pairwise
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks.catalog.loader import catalog
from tasks.estimates import usual_seconds
from tasks.models import Task
from tasks.presenters.statistics import MOST_RUNS, Run, Statistics, percentile
from tasks.presenters.strip import APART, EDGE, HEIGHT, Span, Strip
from tasks.web import history
from tasks.web.figures import DRAWN_BESIDE_OTHERS
from tasks.web.history import MOST_COUNTED
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
        ("status=broken", "Must be one of: pending, running, blocked, completed"),
        ("from=yesterday", "Must be a day, such as 2025-11-26."),
        ("q=" + "x" * 201, "Too long: at most 200 characters."),
    ],
)
def test_a_filter_that_means_nothing_is_said_and_finds_nothing(staff, query, problem):
    TaskFactory()
    answer = staff.get(f"/history?{query}")
    assert problem in answer.text
    assert versions(answer) == []


@pytest.mark.parametrize(
    "query",
    [
        "q=%00",
        "to=9999-12-31",
        "from=0001-01-01&tz=Asia/Shanghai",
        "at=nonsense",
        "on=nonsense",
        "on=9999-12-31",
        "by=%25",
        "view=nonsense",
        "view=figures&from=9999-01-01&to=0001-01-01",
    ],
)
def test_an_odd_address_is_no_error(staff, query):
    TaskFactory()
    assert staff.get(f"/history?{query}").status_code == 200


def test_one_goes_through_the_pages_and_back_while_new_tasks_come(staff, monkeypatch):
    monkeypatch.setattr(history, "PAGE_TASKS", 2)
    TaskFactory(type="full-sync", version="v0", created_at=NOON)
    for number in range(1, 6):
        TaskFactory(version=f"v{number}", created_at=NOON + timedelta(minutes=number))
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
        '<option value="gone" selected>gone</option>',
        '<option value="failed" selected>',
        'value="2025-11-26"',
    ):
        assert part in html


# --- Days ---------------------------------------------------------------------------


def headings(answer):
    return [
        (day.text, [s.task.version for s in day.tasks])
        for day in answer.context["days"]
    ]


@pytest.fixture
def around_midnight():
    """In Shanghai the second one is of the next day."""
    for version, hours in (("v1", 3), ("v2", 5)):
        TaskFactory(version=version, created_at=NOON + timedelta(hours=hours))


def test_tasks_stand_under_the_days_of_the_readers_zone(staff, around_midnight):
    assert headings(staff.get("/history")) == [("Wed 26 Nov 2025", ["v2", "v1"])]
    staff.cookies["zone"] = "Asia/Shanghai"
    answer = staff.get("/history")
    assert headings(answer) == [
        ("Thu 27 Nov 2025", ["v2"]),
        ("Wed 26 Nov 2025", ["v1"]),
    ]
    assert ">01:00</time>" in answer.text


def test_a_zone_in_the_address_goes_before_the_readers(staff, around_midnight):
    staff.cookies["zone"] = "America/New_York"
    answer = staff.get("/history?from=2025-11-27&tz=Asia/Shanghai")
    assert versions(answer) == ["v2"]
    assert answer.context["in_figures"].endswith("&tz=Asia%2FShanghai&view=figures")


@pytest.mark.parametrize("zone", ["nonsense", "../../etc/passwd", "Asia", "localtime"])
def test_of_a_zone_that_is_none_nothing_comes(staff, around_midnight, zone):
    assert staff.get("/history", {"tz": zone}).context["zone"] == "UTC"


def test_today_and_yesterday_are_said(staff):
    now = timezone.now()
    for days in range(3):
        TaskFactory(created_at=now - timedelta(days=days))
    near = [day.nearness for day in staff.get("/history").context["days"]]
    assert sorted(near) == ["", "Today", "Yesterday"]


def test_one_jumps_to_a_day_and_goes_on_from_there_both_ways(staff, monkeypatch):
    monkeypatch.setattr(history, "PAGE_TASKS", 2)
    for days in range(6):
        TaskFactory(version=f"v{days}", created_at=NOON + timedelta(days=days))
    there = staff.get("/history?on=2025-11-28")  # the day of v2
    assert versions(there) == ["v2", "v1"]
    assert versions(staff.get("/history" + link(there.text, "prev"))) == ["v4", "v3"]
    assert versions(staff.get("/history" + link(there.text, "next"))) == ["v0"]
    assert "No older tasks." in staff.get("/history?on=2024-01-01").text


# --- How many, and by which filters --------------------------------------------------


def test_what_the_filters_find_is_counted(staff, monkeypatch):
    monkeypatch.setattr(history, "PAGE_TASKS", 2)
    TaskFactory.create_batch(3)
    TaskFactory(version="v1")
    assert staff.get("/history").context["count"] == "4 tasks"
    assert staff.get("/history?version=v1").context["count"] == "1 task"
    assert staff.get("/history?q=nothing").context["count"] == "0 tasks"
    monkeypatch.setattr(history, "MOST_COUNTED", 3)
    assert staff.get("/history").context["count"] == "3+ tasks"


def test_each_filter_that_is_set_is_removed_by_a_link(staff):
    query = "type=full-sync&status=failed&from=2025-11-26&view=figures"
    chips = staff.get(f"/history?{query}").context["chips"]
    assert [(chip.label, chip.text) for chip in chips] == [
        ("Type", catalog()["full-sync"].title),
        ("Status", "✕ failed"),
        ("From", "Wed 26 Nov 2025"),
    ]
    assert [chip.others for chip in chips] == [
        "/history?status=failed&from=2025-11-26&tz=UTC&view=figures",
        "/history?type=full-sync&from=2025-11-26&tz=UTC&view=figures",
        "/history?type=full-sync&status=failed&view=figures",
    ]


def test_a_failed_task_leads_to_its_comparison_with_the_last_success(staff):
    failed, done = TaskFactory(status="failed"), TaskFactory(status="completed")
    html = staff.get("/history").text
    assert f'href="/compare?last-success={failed.pk}"' in html
    assert f"last-success={done.pk}" not in html


# --- Figures ------------------------------------------------------------------------


def runs(*seconds, status="completed", at=NOON):
    return [Run(uuid4(), status, "v885", at, each) for each in seconds]


def figures(*made):
    return Statistics("sync", made)


def test_median_and_percentile_are_of_what_completed():
    found = figures(*runs(*range(1, 21)), *runs(500, status="failed"))
    assert (found.median, found.p95) == ("10 s", "19 s")
    assert len(found.runs) == 21


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
        *runs(*[1] * completed),
        *runs(*[1] * failed, status="failed"),
        *runs(*[1] * cancelled, status="cancelled"),
    )
    assert found.success == percent


def test_each_day_has_its_runs_failures_and_median():
    yesterday = NOON - timedelta(days=1)
    found = figures(
        *runs(10, 30),
        *runs(9, status="failed", at=yesterday),
        *runs(None, status="cancelled", at=yesterday),
    )
    assert [(day.runs, day.failed, day.median) for day in found.days] == [
        (2, 0, "20 s"),
        (2, 1, ""),
    ]


@pytest.fixture
def strip():
    """Of one day: a second, a minute, and one that was cancelled before it began."""
    found = figures(
        *runs(1, at=NOON),
        *runs(60, status="failed", at=NOON + timedelta(hours=6)),
        *runs(None, status="cancelled", at=NOON + timedelta(hours=12)),
    )
    return Strip(found, Span(NOON, NOON + timedelta(days=1)), most=500)


def test_a_dot_is_where_its_run_came_in_and_as_high_as_it_took(strip):
    ends = [mark.text for mark in (strip.scale[0], strip.scale[-1])]
    assert ends == ["1 s", "1 m"]
    places = re.findall(r'#dot-(\w+)" x="([\d.]+)%" y="([\d.]+)"', strip.dots)
    low, high = f"{HEIGHT - EDGE}.0", f"{EDGE}.0"
    assert places == [
        ("completed", "0.00", low),
        ("failed", "25.00", high),
        ("cancelled", "50.00", low),
    ]
    assert strip.words == ("Completed in 1 s to 1 s, median 1 s, P95 1 s; failed: 1")


def test_a_dot_leads_to_its_task_and_says_what_it_is(strip):
    failed = strip.figures.runs[1]
    words = "v885 · ✕ failed · 1 m 0 s · 2025-11-26 18:00:00"
    assert (
        f'<a href="/tasks/{failed.id}" tabindex="-1"><title>{words}</title>'
        in strip.dots
    )


def test_a_strip_without_its_oldest_runs_begins_where_they_do(strip):
    newest_first = strip.figures.runs[::-1]
    cut = Strip(Statistics("sync", newest_first), strip.span, most=2)
    assert (cut.is_cut, cut.begin, cut.width) == (True, 25.0, 75.0)
    assert (strip.is_cut, strip.begin) == (False, 0.0)


def test_what_somebody_called_a_version_is_no_markup(strip):
    evil = Run(uuid4(), "failed", "<script>", NOON, 1.0)
    drawn = Strip(figures(evil), strip.span, most=500)
    assert "&lt;script&gt; · " in drawn.dots


@pytest.mark.parametrize(
    ("seconds", "scale"),
    [
        ([], ["1 s", "2 s", "5 s", "10 s"]),
        ([42], ["30 s", "1 m"]),
        ([0.004, 0.2], ["2 ms", "10 ms", "50 ms", "200 ms"]),
        ([5, 7000], ["5 s", "1 m", "10 m", "2 h"]),
        ([0.0, 9e9], None),
    ],
)
def test_a_scale_has_room_for_all_and_no_two_words_over_each_other(
    strip, seconds, scale
):
    drawn = Strip(figures(*runs(*seconds)), strip.span, most=500)
    marks = drawn.scale
    assert all(one.at - two.at >= APART for one, two in pairwise(marks))
    assert all(0 < drawn.y(each) < HEIGHT for each in seconds if each < 1e6)
    if scale is not None:
        assert [mark.text for mark in marks][: len(scale)] == scale


@pytest.mark.parametrize(
    ("hours", "first", "most"),
    [(6, "12:00", 7), (60, "12:00", 7), (720, "1 Dec", 7), (9000, "", 7)],
)
def test_the_axis_of_time_says_hours_or_days(hours, first, most):
    marks = Span(NOON, NOON + timedelta(hours=hours)).marks
    assert len(marks) <= most + 1
    assert all(0 <= mark.at <= 100 for mark in marks)
    assert not first or marks[0].text == first


def test_the_page_shows_each_types_figures_as_a_table_and_a_strip(staff):
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
    html = staff.get("/history?view=figures").text
    section = re.search(r'<section class="panel statistics".*?</section>', html, re.S)[
        0
    ]
    words = " ".join(re.sub(r"<[^>]+>", " ", section).split())
    titles = {name: kind.title for name, kind in catalog().items()}
    assert f"{titles['check-integrity']} 3 1 67 % 15 s 20 s" in words
    assert titles["full-sync"] not in words  # too long ago
    assert section.count("#dot-failed") == 2  # the legend's, too
    assert "Day by day" not in section
    chosen = staff.get("/history?view=figures&type=check-integrity").text
    assert f'<th scope="row">{now:%Y-%m-%d}</th>' in chosen
    assert "Day by day" in chosen


def test_figures_are_of_what_the_filters_find(staff):
    now = timezone.now()
    for version, by in (("v1", "alice"), ("v2", "alice"), ("v2", "bob")):
        TaskFactory(status="completed", version=version, created_by=by, created_at=now)
    TaskFactory(status="running", version="v2", created_at=now)

    def counted(query):
        strips = staff.get(f"/history?view=figures&{query}").context["strips"]
        return [len(strip.figures.runs) for strip in strips]

    assert counted("") == [3]
    assert counted("version=v2") == [2]
    assert counted("version=v2&by=bob") == [1]
    assert counted("to=2025-11-26") == []
    assert counted("status=broken") == []


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
    answer = staff.get("/history?view=figures")
    (strip,) = answer.context["strips"]
    found = strip.figures
    assert (len(found.runs), found.is_cut, found.p95) == (MOST_RUNS, True, "1 s")
    assert f"Only the newest {MOST_RUNS} are counted" in answer.text
    assert strip.dots.count("<use") == DRAWN_BESIDE_OTHERS
    (alone,) = staff.get("/history?view=figures&type=check-integrity").context["strips"]
    assert alone.dots.count("<use") == MOST_RUNS


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


@pytest.mark.parametrize(
    "query", ["", "type=full-sync", "q=v77", "by=alice", "view=figures&q=v77"]
)
def test_the_number_of_queries_does_not_grow_with_the_history(staff, query):
    def queries():
        with CaptureQueriesContext(connection) as asked:
            staff.get(f"/history?{query}")
        return len(asked)

    failed = {"status": "failed", "version": "v77", "error": "It broke."}
    TaskFactory.create_batch(51, **failed)
    few = queries()
    TaskFactory.create_batch(30, **failed)
    # Figures take one a type.
    assert queries() == few <= 12 + (len(catalog()) if "view" in query else 0)


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
    for statement, plan in zip(statements, plans, strict=True):
        if "COUNT(" in statement:  # it may read rows as they lie, but so many at most
            assert f"LIMIT {MOST_COUNTED + 1}" in statement
            continue
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
