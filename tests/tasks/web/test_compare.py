"""Two tasks side by side."""

import re
from datetime import timedelta

import pytest

from tasks.presenters.last_success import last_success
from tests.factories import NOON, TaskFactory, write_log

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def result(**steps):
    results = [
        {"name": name, "exitCode": 0, "durationMs": took}
        for name, took in steps.items()
    ]
    return {"success": True, "results": results}


@pytest.fixture
def pair():
    a = TaskFactory(
        status="completed",
        version="v884",
        created_at=NOON,
        result={**result(iOS=1000, Android=4000), "outputs": {"ios": {"new": 1200}}},
    )
    b = TaskFactory(
        status="failed",
        error="disk full",
        version="v885",
        created_at=NOON + timedelta(hours=1),
        result={**result(iOS=1500), "outputs": {"ios": {"new": 7}}},
    )
    write_log(a, "begin", "took 1.0 s", "done")
    write_log(b, "begin", "took 1.5 s", ("stderr", "<disk> full"))
    return a, b


def words(html):
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def compare(staff, a, b):
    return staff.get(f"/compare?a={a.pk}&b={b.pk}")


def test_strangers_are_asked_to_log_in(stranger, pair):
    assert compare(stranger, *pair).status_code == 302


def test_what_was_asked_and_what_came_of_it_stand_side_by_side(staff, pair):
    text = words(compare(staff, *pair).text)
    for part in (
        "≠ differs: version v884 v885",
        "≠ differs: Status ✓ completed ✕ failed",
        "≠ differs: What failed – disk full",
        "≠ differs: iOS · new files 1,200 7",
        "Started by alice alice",
    ):
        assert part in text


def test_each_step_says_how_much_longer_it_took(staff, pair):
    text = words(compare(staff, *pair).text)
    assert "iOS 1 s 1.5 s +50 %" in text
    assert "Android 4 s – –" in text
    assert "iOS 1.5 s 1 s −33 %" in words(compare(staff, *reversed(pair)).text)


def test_the_logs_differ_in_what_is_neither_time_nor_id(staff, pair):
    a, b = pair
    html = compare(staff, a, b).text
    assert "Lines only in A: 1; only in B: 1." in html
    assert "&lt;disk&gt; full" in html
    assert f'href="/tasks/{b.pk}#L3"' in html
    assert "took 1.5 s" in html  # the context, as B has it
    assert "took 1.0 s" not in html


@pytest.fixture
def mostly_equal():
    """A pair with thirteen results that are the same, and one that is not."""
    return [
        TaskFactory(
            status="completed",
            result={**result(iOS=took), "outputs": {**dict.fromkeys(EQUAL, 1), "n": n}},
        )
        for n, took in ((1, 1000), (2, 1040))
    ]


EQUAL = [f"same-{number}" for number in range(13)]


def test_where_much_is_equal_only_what_differs_is_shown_at_first(staff, mostly_equal):
    html = compare(staff, *mostly_equal).text
    assert "same-1" not in html
    assert "≠ differs: n 1 2" in words(html)
    assert "No step took much longer or shorter." in html
    assert re.search(r'rows=different"\s+aria-current', html)


def test_all_rows_are_an_address_of_their_own(staff, mostly_equal, pair):
    a, b = mostly_equal
    html = staff.get(f"/compare?a={a.pk}&b={b.pk}&rows=all").text
    assert "same-1" in html
    assert "iOS 1 s 1.0 s +4 %" in words(html)
    a, b = pair
    assert "Started by alice" in words(compare(staff, a, b).text)
    only = staff.get(f"/compare?a={a.pk}&b={b.pk}&rows=different").text
    assert "Started by alice" not in words(only)


def test_lines_that_are_the_same_are_opened_by_a_link(staff):
    a, b = TaskFactory(status="completed"), TaskFactory(status="completed")
    same = [f"line {number}" for number in range(30)]
    write_log(a, *same, "old")
    write_log(b, *same, "new")
    html = compare(staff, a, b).text
    assert "27 identical lines" in words(html)
    assert "line 5" not in html
    link = re.search(r'href="(\?[^"#]+open=1)#line-1"', html)[1].replace("&amp;", "&")
    opened = staff.get("/compare" + link).text
    assert "line 5" in opened
    assert "identical lines" not in opened
    for odd in ("x", "9" * 30, "-1"):
        assert staff.get(f"/compare{link}&open={odd}").status_code == 200


def test_a_link_that_opens_lines_keeps_what_is_open_and_which_rows_are_shown(staff):
    a, b = TaskFactory(status="completed"), TaskFactory(status="completed")
    same = [f"line {number}" for number in range(30)]
    write_log(a, *same, "old", *same, "older")
    write_log(b, *same, "new", *same, "newer")
    html = staff.get(f"/compare?a={a.pk}&b={b.pk}&rows=all&open=1").text
    (link,) = re.findall(r'href="(\?[^"#]+open=\d+)#line-', html)
    assert "&amp;rows=all&amp;open=1&amp;open=" in link


def test_a_failed_task_is_compared_with_the_last_success_before_it(staff):
    TaskFactory(status="completed")
    last = TaskFactory(status="completed")
    TaskFactory(status="cancelled")
    TaskFactory(status="completed", type="full-sync")
    failed = TaskFactory(status="failed")
    TaskFactory(status="completed")
    answer = staff.get(f"/compare?last-success={failed.pk}")
    assert answer["Location"] == f"/compare?a={last.pk}&b={failed.pk}"


def test_where_there_is_no_success_before_that_is_said(staff):
    failed = TaskFactory(status="failed")
    assert last_success(failed) is None
    assert "No earlier success" in staff.get(f"/compare?last-success={failed.pk}").text


def test_tasks_that_said_the_same_are_said_to(staff):
    a, b = TaskFactory(status="completed"), TaskFactory(status="completed")
    assert "The logs are identical." in compare(staff, a, b).text


def test_two_ticks_lead_to_the_older_one_first(staff, pair):
    a, b = pair
    answer = staff.get(f"/compare?task={b.pk}&task={a.pk}")
    assert answer["Location"] == f"/compare?a={a.pk}&b={b.pk}"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 200),
        ("?a={a}", 200),
        ("?a={a}&b=nonsense", 404),
        ("?a={a}&b=00000000-0000-4000-8000-000000000000", 404),
        ("?a={a}&b={a}", 200),
        ("?task={a}", 200),
        ("?task={a}&task={b}&task={a}", 200),
    ],
)
def test_anything_but_two_tasks_is_explained(staff, pair, query, status):
    a, b = pair
    page = staff.get("/compare" + query.format(a=a.pk, b=b.pk), follow=True)
    assert page.status_code == status
    assert "Select two tasks" in page.text


def test_secrets_are_not_shown(staff, use_task_types):
    use_task_types(
        '[one]\n[one.params.token]\nsecret = true\n[[one.steps]]\ncommand = ["true"]\n'
    )
    pair = [
        TaskFactory(type="one", params={"token": f"hunter{number}"})
        for number in range(2)
    ]
    html = compare(staff, *pair).text
    assert "hunter" not in html
    assert "token" in html


def test_a_task_that_still_runs_is_compared_as_it_is_so_far(staff, pair):
    running = TaskFactory(status="running")
    assert "Not finished yet" in compare(staff, pair[0], running).text


def test_in_chinese_the_outputs_have_chinese_names(staff, pair):
    a, b = pair
    answer = staff.get(
        f"/compare?a={a.pk}&b={b.pk}", headers={"Accept-Language": "zh-CN"}
    )
    text = words(answer.text)
    assert "iOS · 新增文件 1,200 7" in text
    assert "Android · 退出码" in text
    assert "xit code" not in text
