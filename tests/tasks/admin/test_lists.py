"""Long lists in the admin: every row once, found in several ways, and never counted."""

import csv
import io
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tasks.admin import csv_export
from tasks.admin.csv_export import cell
from tasks.models import AuditEvent, Task
from tests.factories import NOON, TaskFactory

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

TASKS = "/admin/tasks/task/"
AUDIT = "/admin/tasks/auditevent/"


def found(client, query="", base=TASKS):
    return list(client.get(base + query).context["cl"].result_list)


def versions(client, **query):
    return sorted(task.version for task in found(client, "?" + urlencode(query)))


def history(count, **more):
    """So many tasks, three in each second: the time alone puts them in no order."""
    return Task.objects.bulk_create(
        TaskFactory.build(
            created_at=NOON + timedelta(seconds=n // 3), status="completed", **more
        )
        for n in range(count)
    )


def events(count):
    return AuditEvent.objects.bulk_create(
        AuditEvent(actor=f"person-{n % 40}", action="create", target=str(n))
        for n in range(count)
    )


# --- Pages ----------------------------------------------------------------------------


@pytest.mark.parametrize(("make", "base"), [(history, TASKS), (events, AUDIT)])
def test_older_and_newer_meet_every_row_once(root, make, base):
    rows = make(120)
    order = [row.pk for row in found_all(root, base, "")]
    assert len(order) == len(rows)
    assert set(order) == {row.pk for row in rows}
    last = walk(root, base, "", "older")[-1]
    back = walk(root, base, last, "newer")
    again = [row.pk for query in reversed(back) for row in found(root, query, base)]
    assert again[:50] == order[:50]
    assert set(again) == set(order)


def walk(client, base, query, side):
    """The query strings of the pages from one on, until there is none."""
    queries = [query]
    while link := getattr(client.get(base + queries[-1]).context["cl"], side):
        queries.append(link)
    return queries


def found_all(client, base, query):
    pages = walk(client, base, query, "older")
    return [row for query in pages for row in found(client, query, base)]


def test_a_page_stays_where_it_is_while_new_tasks_come(root):
    history(80)
    older = root.get(TASKS).context["cl"].older
    before = found(root, older)
    TaskFactory(created_at=NOON + timedelta(days=1))
    assert found(root, older) == before


def test_a_page_keeps_the_filters(root):
    history(60, version="v1")
    history(60, version="v2")
    tasks = found_all(root, TASKS, "?version=v2")
    assert [task.version for task in tasks] == ["v2"] * 60


def test_coming_back_to_the_newest_page_shows_all_of_it(root):
    history(70)
    older = root.get(TASKS).context["cl"].older
    newer = root.get(TASKS + older).context["cl"].newer
    Task.objects.filter(pk__in=[task.pk for task in found(root)[:30]]).delete()
    page = root.get(TASKS + newer).context["cl"]
    assert page.is_first_page
    assert len(page.result_list) == 40


@pytest.mark.parametrize(
    "place",
    ["2", "older", "older_x_y", "older_1", "sideways_{pk}_{at}", "older_{pk}_now"],
)
def test_a_place_that_is_none_leads_to_the_list(root, place):
    (task,) = history(1)
    place = place.format(pk=task.pk, at=task.created_at.isoformat())
    answer = root.get(TASKS, {"p": place}, follow=True)
    assert answer.status_code == 200
    assert list(answer.context["cl"].result_list) == [task]


def test_an_empty_list_says_so_and_has_no_pages(root):
    page = root.get(TASKS)
    assert "0 shown, no older ones" in page.text
    assert (page.context["cl"].newer, page.context["cl"].older) == (None, None)


@pytest.mark.parametrize(("make", "base"), [(history, TASKS), (events, AUDIT)])
def test_a_list_is_sorted_in_one_way_and_offers_no_other(root, make, base):
    make(60)
    page = root.get(base)
    assert "sortable" not in page.text
    assert found(root, "?o=1.-2", base) == list(page.context["cl"].result_list)
    older = root.get(f"{base}?o=2").context["cl"].older
    assert len(found(root, older, base)) == 10


# --- Ticked rows ----------------------------------------------------------------------


def test_more_than_the_ticked_rows_is_neither_offered_nor_done(root, act):
    tasks = history(60)
    assert "across all pages" not in root.get(TASKS).text
    act(root, "pin_selected", tasks[0], base=TASKS, select_across="1", index="0")
    assert list(Task.objects.filter(pinned=True)) == [tasks[0]]
    act(root, "cancel_selected", base=TASKS, select_across="1", index="0")
    act(root, "rerun_selected", base=TASKS, select_across="1", index="0")
    assert Task.objects.count() == 60


# --- Filters and search ---------------------------------------------------------------


@pytest.fixture
def some_tasks(db):
    TaskFactory(version="v885", status="failed", type="full-sync", created_by="alice")
    TaskFactory(version="v900", pinned=True, created_by="key:unity-editor")
    TaskFactory(version="v901", created_by="bob", created_at=NOON)


@pytest.mark.usefixtures("some_tasks")
@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({"status__exact": "failed"}, ["v885"]),
        ({"type": "full-sync"}, ["v885"]),
        ({"version": "v900"}, ["v900"]),
        ({"version": "v90"}, []),
        ({"created_by": "bob"}, ["v901"]),
        ({"pinned__exact": "1"}, ["v900"]),
        ({"created_at__gte": "2026-01-01 00:00:00+00:00"}, ["v885", "v900"]),
        ({"version": "v885", "status__exact": "completed"}, []),
        ({"q": "V88"}, ["v885"]),
        ({"q": "UNITY"}, ["v900"]),
        ({"q": "v"}, ["v885", "v900", "v901"]),
        ({"q": " bob "}, ["v901"]),
        ({"q": "100%"}, []),
        ({"q": "nobody"}, []),
        ({"q": "v90", "created_by": "bob"}, ["v901"]),
    ],
)
def test_tasks_are_filtered_and_searched(root, query, wanted):
    assert versions(root, **query) == wanted


def test_a_task_is_found_by_the_beginning_of_its_id(root):
    task, *_others = TaskFactory.create_batch(3)
    for text in (str(task.pk), str(task.pk)[:13], task.pk.hex[:12].upper()):
        assert found(root, f"?q={text}") == [task]


def test_a_common_word_is_found_in_more_names_than_are_looked_up(root):
    Task.objects.bulk_create(TaskFactory.build(version=f"v{n}") for n in range(130))
    assert len(found_all(root, TASKS, "?q=v")) == 130


def test_the_typed_filters_suggest_what_is_new_and_keep_the_others(root):
    TaskFactory(version="v885", created_by="alice", status="failed")
    page = root.get(f"{TASKS}?status__exact=failed&q=v8").text
    assert '<option value="v885">' in page
    assert '<option value="alice">' in page
    assert '<input type="hidden" name="status__exact" value="failed">' in page
    assert '<input type="hidden" name="q" value="v8">' in page


@pytest.mark.parametrize(
    "name", ["version", "created_by", "status__exact", "type", "q"]
)
def test_text_that_no_database_takes_is_no_error_of_ours(root, name):
    TaskFactory()
    assert root.get(TASKS, {name: "a\0b"}, follow=True).status_code == 200


# --- Days -----------------------------------------------------------------------------


def offered(client, **query):
    days = client.get(TASKS, query).context["cl"].days
    return days.back and days.back["title"], [day["title"] for day in days.choices]


def day(*parts):
    names = ("created_at__year", "created_at__month", "created_at__day")
    return dict(zip(names, map(str, parts), strict=False))


@pytest.fixture
def two_years(db):
    for moment in ((2024, 11, 30), (2025, 1, 2), (2025, 2, 3)):
        TaskFactory(created_at=datetime(*moment, 23, 59, tzinfo=UTC), version=moment[1])


@pytest.mark.usefixtures("two_years")
def test_one_goes_from_years_to_months_to_days_and_back(root):
    assert offered(root) == (None, ["2024", "2025"])
    assert offered(root, **day(2025)) == (
        "All dates",
        ["January 2025", "February 2025"],
    )
    back, days = offered(root, **day(2025, 2))
    assert (back, days) == ("2025", ["February 1", "February 2", "February 3"])
    assert offered(root, **day(2025, 2, 3)) == ("February 2025", [])
    assert versions(root, **day(2025)) == ["1", "2"]
    assert versions(root, **day(2024, 11)) == ["11"]
    assert versions(root, **day(2025, 2, 3)) == ["2"]


def test_a_choice_of_one_is_none(root):
    TaskFactory(created_at=NOON)
    TaskFactory(created_at=NOON - timedelta(days=2))
    back, days = offered(root)
    assert (back, days) == (None, ["November 24", "November 25", "November 26"])


@pytest.mark.usefixtures("two_years")
@pytest.mark.parametrize("parts", [(2025, 13), ("x",), (0,), (2025, 2, 30)])
def test_a_day_that_is_none_leads_to_the_list(root, parts):
    answer = root.get(TASKS, day(*parts), follow=True)
    assert answer.status_code == 200
    assert len(answer.context["cl"].result_list) == 3


# --- What it costs --------------------------------------------------------------------


@pytest.mark.parametrize(("make", "base"), [(history, TASKS), (events, AUDIT)])
def test_a_list_takes_as_many_statements_however_long_it_is(root, make, base):
    def statements():
        with CaptureQueriesContext(
            connection,
        ) as sent:
            root.get(base)
        return [query["sql"] for query in sent.captured_queries]

    make(3)
    few = len(statements())
    make(120)
    many = statements()
    assert few == len(many) <= 7
    assert not [sql for sql in many if "COUNT(" in sql or "logline" in sql]


def plans(client, url):
    """The database's plan for each statement about the list's table."""
    with CaptureQueriesContext(connection) as sent:
        assert client.get(url).status_code == 200
    is_postgresql = connection.vendor == "postgresql"
    explain = "EXPLAIN " if is_postgresql else "EXPLAIN QUERY PLAN "
    found = []
    with connection.cursor() as cursor:
        for query in sent.captured_queries:
            sql = query["sql"]
            if "tasks_" in sql and sql.startswith("SELECT"):
                # As the log has it, it may be no statement; %s would be parameters.
                cursor.execute(explain + literal(sql))
                found.append("\n".join(str(row[-1]) for row in cursor.fetchall()))
    return found


def literal(sql):
    return sql.replace("%", "%%") if connection.vendor == "postgresql" else sql


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("", "task_by_number_type"),
        ("?p={place}", "task_by_number_type"),
        ("?status__exact=failed", "task_failed_number"),
        ("?status__exact=cancelled", "task_cancelled_number"),
        ("?type=rollback", "task_by_number_type"),
        ("?version=v7", "task_by_version_number"),
        ("?created_by=bob", "task_by_person_number"),
        ("?pinned__exact=1", "task_pinned_number"),
        ("?q=bob", "task_by_person_number"),
        ("?created_at__year=2025&created_at__month=11", "task_by_creation_type"),
    ],
)
def test_every_list_of_tasks_is_read_from_an_index(root, query, index):
    tasks = history(2_000)
    one = tasks[1_000]
    analyze()
    place = urlencode({"": f"older_{one.pk}_{one.number}"})[1:]
    said = plans(root, TASKS + query.format(place=place))
    assert any(index in plan for plan in said), said
    for line in "\n".join(said).splitlines():
        # In PostgreSQL's eyes 2,000 rows are few: what matters is that it can.
        # What came in a month is sorted by its numbers.
        is_sorted = "q=" in query or "created_at" in query
        assert "USE TEMP B-TREE" not in line or is_sorted, said
        assert "SCAN tasks_task" not in line or "INDEX" in line, said


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("?actor=bob", "audit_by_actor"),
        ("?action=rollback", "audit_by_action"),
        ("?q=nothing", "audit_by_target"),
    ],
)
def test_every_list_of_events_is_read_from_an_index(root, query, index):
    events(2_000)
    analyze()
    said = plans(root, AUDIT + query)
    assert any(index in plan for plan in said), said


def analyze():
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")


# --- CSV ------------------------------------------------------------------------------


def rows_of(answer):
    return list(csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))


def test_all_that_the_filters_find_is_exported_in_order(root, monkeypatch):
    monkeypatch.setattr(csv_export, "ROWS_AT_ONCE", 10)
    history(60, version="v1")
    history(60, version="v2")
    answer = root.get(f"{TASKS}export/?version=v2")
    assert answer["Content-Disposition"].startswith('attachment; filename="task-')
    ids = [row["id"] for row in rows_of(answer)]
    assert ids == [str(task.pk) for task in found_all(root, TASKS, "?version=v2")]


def test_selected_tasks_are_exported(root):
    first, _second = TaskFactory.create_batch(2, pinned=True)
    form = {"action": "export_selected", "_selected_action": [first.pk]}
    (row,) = rows_of(root.post(TASKS, form))
    assert (row["id"], row["pinned"]) == (str(first.pk), "yes")
    assert row["params"] == '{"version": "v885"}'


def test_an_export_has_no_secrets(root, use_task_types):
    use_task_types(
        '[a]\n[a.params.token]\nsecret = true\n[[a.steps]]\ncommand = ["true"]\n'
    )
    TaskFactory(type="a", version="", params={"token": "hunter2"})
    assert "hunter2" not in root.get(f"{TASKS}export/").getvalue().decode()


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＠"])
def test_no_cell_is_a_formula(root, start):
    TaskFactory(version=f"{start}HYPERLINK(0)", created_by=f'{start}cmd|"/c calc"!A0')
    (row,) = rows_of(root.get(f"{TASKS}export/"))
    assert row["version"].startswith("'")
    assert row["createdBy"].startswith("'")
    assert cell("v885") == "v885"


def test_an_export_of_what_is_no_filter_is_a_bad_request(root):
    assert root.get(f"{TASKS}export/?created_at__year=x").status_code == 400


def test_an_export_sends_nothing_to_who_may_not_view(person):
    TaskFactory()
    assert person(None).get(f"{TASKS}export/").status_code == 403
