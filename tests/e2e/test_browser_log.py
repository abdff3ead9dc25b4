"""The log of a task in a real browser: as long as it likes, live or ended."""

import re
from itertools import pairwise

import pytest
from playwright.sync_api import expect

from tests.waiting import wait_until

from .conftest import watched

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

SEQS = """list => [...list.children].map(row => Number(row.id.slice(1)))"""
# Of the rows that somebody can see now.
SEEN = """list => {
    const frame = list.closest('.log-scroll').getBoundingClientRect();
    return [...list.children].filter(row => {
        const box = row.getBoundingClientRect();
        return box.bottom > frame.top && box.top < frame.bottom;
    }).map(row => Number(row.id.slice(1)));
}"""


def log(page):
    return page.locator("ol.log")


def seen(page):
    return log(page).evaluate(SEEN)


def wait_until_seen(page, seq):
    """Until a line is in sight, and has come."""
    row = page.locator(f"#L{seq}:not(.absent)")
    expect(row).to_be_in_viewport()
    return row


def wait_until_followed(page, seq):
    """Until the end of the log is in sight, and is at least that line."""
    page.wait_for_function(
        "seq => { const frame = document.querySelector('.log-scroll');"
        " const last = document.querySelector('ol.log li:last-child');"
        " return last && last.id.slice(1) >= seq && last.getBoundingClientRect().bottom"
        " < frame.getBoundingClientRect().bottom + 2; }",
        arg=seq,
    )


def scroll_to(page, share):
    """Drag the scroll bar there: 0 is the top, 1 the end."""
    page.locator(".log-scroll").evaluate(
        "(frame, share) => { frame.scrollTop ="
        " share * (frame.scrollHeight - frame.clientHeight); }",
        share,
    )


def in_order(seqs):
    return all(following == seq + 1 for seq, following in pairwise(seqs))


@pytest.fixture(scope="module")
def long_log(service):
    """A task that has ended, with 100,000 numbers in lines 2 to 100,001."""
    task_id = service.create("count", n="100000")
    task = service.wait_for(task_id)
    assert (task["status"], task["logCount"]) == ("completed", 100_002), task["error"]
    return task_id


@pytest.fixture
def show(service):
    """Makes a task that prints a text, and waits for its end; returns its id."""

    def make(text: str, name: str) -> str:
        (service.data_dir / name).write_text(text, encoding="utf-8")
        task_id = service.create("show", name=name)
        service.wait_for(task_id)
        return task_id

    return make


@pytest.fixture
def stopped_later(service):
    """Tasks that are put here are cancelled at the end."""
    tasks = []
    yield tasks
    for task_id in tasks:
        service.request("POST", f"/api/tasks/{task_id}/cancel")
        service.wait_for(task_id)


# --- However long -------------------------------------------------------------------


def test_a_long_log_that_went_well_opens_at_its_top_with_only_a_few_rows(
    open_page, long_log
):
    page = open_page(f"/tasks/{long_log}")
    wait_until_seen(page, 1)
    follow = page.get_by_role("button", name="Follow")
    expect(follow).to_have_attribute("aria-pressed", "false")
    expect(page.locator("[data-part=count]")).to_have_text("100,002 lines")
    seqs = log(page).evaluate(SEQS)
    assert in_order(seqs)
    assert len(seqs) < 200


@pytest.mark.parametrize("share", [0, 0.25, 0.5, 0.9, 1])
def test_the_scroll_bar_stands_for_the_whole_log(open_page, long_log, share):
    page = open_page(f"/tasks/{long_log}")
    wait_until_seen(page, 1)
    scroll_to(page, share)
    middle = 1 + round(share * 100_001)
    page.wait_for_function(
        "middle => [...document.querySelectorAll('ol.log li')].some(row =>"
        " Math.abs(row.id.slice(1) - middle) < 50)",
        arg=middle,
    )
    expect(page.locator("ol.log .absent")).to_have_count(0)
    seqs = seen(page)
    assert in_order(seqs)
    assert min(abs(seq - middle) for seq in seqs) < 50
    row = page.locator(f"#L{seqs[len(seqs) // 2]}")
    expect(row.locator(".m")).to_have_text(str(seqs[len(seqs) // 2] - 1))


def test_scrolling_by_the_wheel_passes_every_line(open_page, long_log):
    page = open_page(f"/tasks/{long_log}#L50000")
    wait_until_seen(page, 50_000)
    page.locator(".log-scroll").hover()
    met = set(seen(page))
    last = max(met)
    while last < 50_500:
        page.mouse.wheel(0, 300)
        page.wait_for_function(
            "last => [...document.querySelectorAll('ol.log li')].some(row =>"
            " Number(row.id.slice(1)) > last"
            " && row.getBoundingClientRect().bottom <"
            " document.querySelector('.log-scroll').getBoundingClientRect().bottom)",
            arg=last,
        )
        met |= set(seen(page))
        last = max(met)
    assert in_order(sorted(met))
    expect(page.locator("ol.log .absent")).to_have_count(0)


def test_wrapped_lines_reach_both_ends(open_page, show):
    text = "".join(f"{n} {'word ' * (n % 200)}\n" for n in range(1, 3001))
    page = open_page(f"/tasks/{show(text, 'wrapped')}")
    page.locator(".log-scroll").press("End")
    wait_until_seen(page, 3002)
    page.locator(".log-scroll").press("Home")
    wait_until_seen(page, 1)
    page.locator(".log-scroll").press("End")
    wait_until_seen(page, 3002)
    page.locator(".log-scroll").hover()
    page.mouse.wheel(0, -2000)
    expect(page.locator("#L3002")).not_to_be_in_viewport()
    page.keyboard.press("g")
    wait_until_seen(page, 1)
    page.keyboard.press("G")
    wait_until_seen(page, 3002)


def test_what_is_far_away_is_dropped_and_comes_again(open_page, long_log):
    page = open_page(f"/tasks/{long_log}")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    for share in (*(percent / 100 for percent in range(0, 100, 4)), 0):
        scroll_to(page, share)
        row = page.locator(f"#L{1 + round(share * 100_001)}:not(.absent)")
        expect(row).to_be_attached()
    wait_until_seen(page, 1)
    # The page came with the first ones.
    assert sum("/logs?after=0&" in url for url in asked) == 1


def test_a_million_lines_are_opened_scrolled_linked_and_searched(open_page, service):
    """More than a browser's scroll bar has pixels for."""
    task_id = service.create("count", n="1000000")
    service.wait_for(task_id)
    page = open_page(f"/tasks/{task_id}")
    wait_until_seen(page, 1)
    expect(page.locator("[data-part=count]")).to_have_text("1,000,002 lines")
    for share in (0.31, 0.77):
        scroll_to(page, share)
        middle = round(share * 1_000_002)
        page.wait_for_function(
            "middle => [...document.querySelectorAll('ol.log li')].some(row =>"
            " Math.abs(row.id.slice(1) - middle) < 100)",
            arg=middle,
        )
        expect(page.locator("ol.log .absent")).to_have_count(0)
        assert in_order(seen(page))
    first = seen(page)[0]
    page.locator(".log-scroll").hover()
    page.mouse.wheel(0, 100)
    expect(page.locator(f"#L{first}")).not_to_be_in_viewport()
    assert 4 <= seen(page)[0] - first <= 6
    page.evaluate("location.hash = '#L123456-L123458'")
    expect(wait_until_seen(page, 123_458)).to_have_class(re.compile("chosen"))
    page.keyboard.press("/")
    page.keyboard.type("987654")
    expect(page.locator("[data-part=found]")).to_have_text("1 of 1")
    wait_until_seen(page, 987_655)
    page.locator(".log-scroll").press("Home")
    wait_until_seen(page, 1)
    page.locator(".log-scroll").press("End")
    wait_until_seen(page, 1_000_002)


# --- Live ---------------------------------------------------------------------------


def test_the_log_follows_only_a_reader_who_is_at_the_end(
    open_page, service, stopped_later
):
    task_id = service.create("slowly", n="9999", pause="0.02")
    stopped_later.append(task_id)
    page = open_page(f"/tasks/{task_id}", viewport={"width": 1000, "height": 500})
    wait_until_followed(page, 60)
    page.keyboard.press("g")
    more = page.get_by_role("button", name=re.compile(r"\d+ new lines"))
    expect(more).to_be_visible()
    assert seen(page)[0] == 1
    follow = page.get_by_role("button", name="Follow")
    expect(follow).to_have_attribute("aria-pressed", "false")
    more.click()
    expect(more).to_be_hidden()
    expect(follow).to_have_attribute("aria-pressed", "true")
    count = service.task(task_id)["logCount"]
    wait_until_followed(page, count + 20)
    assert seen(page)[0] > 1


@pytest.mark.parametrize("height", [400, 1600])
def test_a_page_of_another_height_still_follows(
    open_page, service, stopped_later, height
):
    task_id = service.create("slowly", n="9999", pause="0.05")
    stopped_later.append(task_id)
    page = open_page(f"/tasks/{task_id}", viewport={"width": 390, "height": 800})
    wait_until_followed(page, 80)
    page.set_viewport_size({"width": 390, "height": height})
    count = service.task(task_id)["logCount"]
    wait_until_followed(page, count + 5)
    follow = page.get_by_role("button", name="Follow")
    expect(follow).to_have_attribute("aria-pressed", "true")


def test_a_log_that_has_ended_stays_at_its_end_in_a_higher_page(open_page, show):
    task_id = show("line of text\n" * 31, "higher.txt")
    page = open_page(f"/tasks/{task_id}", viewport={"width": 390, "height": 500})
    expect(page.locator("#L1")).to_be_attached()
    page.keyboard.press("G")
    wait_until_followed(page, 33)
    for height in (560, 700, 620, 900):
        page.set_viewport_size({"width": 390, "height": height})
        wait_until_followed(page, 33)
    follow = page.get_by_role("button", name="Follow")
    expect(follow).to_have_attribute("aria-pressed", "true")


def test_a_flood_is_followed_and_nothing_is_missing_afterwards(open_page, service):
    task_id = service.create("flow", lines="200000", burst="500", pause="0.01")
    page = open_page(f"/tasks/{task_id}")
    page.keyboard.press("G")  # where it has ended before the page was there
    service.wait_for(task_id)
    expect(watched(page)).to_have_attribute("data-status", "completed")
    total = service.task(task_id)["logCount"]
    wait_until_seen(page, total)
    expect(page.locator("[data-part=count]")).to_have_text(f"{total:,} lines")
    assert len(log(page).evaluate(SEQS)) < 200
    scroll_to(page, 0.5)
    expect(page.locator("ol.log .absent")).to_have_count(0)
    assert in_order(seen(page))


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(lambda route: route.abort(), id="no connection"),
        # After this the browser itself never tries again.
        pytest.param(lambda route: route.fulfill(status=502), id="a proxy's 502"),
    ],
)
def test_a_lost_connection_is_said_and_no_line_comes_twice(
    open_page, service, stopped_later, cut
):
    page = open_page("/")
    page.context.route("**/api/streams?*", cut)
    task_id = service.create("slowly", n="40", pause="0.05")
    stopped_later.append(task_id)
    page.goto(f"/tasks/{task_id}")
    connection = page.locator("[data-part=connection]")
    expect(connection).to_contain_text("disconnected at")
    page.context.unroute("**/api/streams?*")
    expect(watched(page)).to_have_attribute("data-status", "completed")
    count = service.wait_for(task_id)["logCount"]
    wait_until_seen(page, count)
    page.keyboard.press("g")
    wait_until_seen(page, 1)
    seqs = log(page).evaluate(SEQS)
    assert seqs == list(range(1, count + 1))
    messages = page.locator("ol.log .m").all_text_contents()
    assert messages == service.messages(task_id)


# --- Search -------------------------------------------------------------------------


def test_a_search_counts_the_whole_log_and_goes_from_match_to_match(
    open_page, long_log
):
    page = open_page(f"/tasks/{long_log}")
    page.keyboard.press("G")
    wait_until_seen(page, 100_002)
    page.keyboard.press("/")
    page.keyboard.type("9999")
    found = page.locator("[data-part=found]")
    # 9999, 19999 … 89999 and 99990 to 99999
    expect(found).to_have_text("19 of 19")
    wait_until_seen(page, 100_000)
    expect(page.locator("#L100000 mark")).to_have_text("9999")
    page.keyboard.press("Enter")
    expect(found).to_have_text("1 of 19")
    wait_until_seen(page, 10_000)
    page.locator(".log-scroll").focus()
    page.keyboard.press("n")
    expect(found).to_have_text("2 of 19")
    wait_until_seen(page, 20_000)
    page.keyboard.press("Shift+N")
    page.keyboard.press("Shift+N")
    expect(found).to_have_text("19 of 19")
    wait_until_seen(page, 100_000)


def test_only_the_matches_are_shown_when_asked(open_page, long_log):
    page = open_page(f"/tasks/{long_log}?q=777")
    page.get_by_role("button", name="Only matches").click()
    count = sum("777" in str(n) for n in range(1, 100_001))
    expect(page.locator("[data-part=found]")).to_have_text(re.compile(f"of {count}$"))
    page.keyboard.press("g")
    wait_until_seen(page, 778)
    expect(page.locator("ol.log .absent")).to_have_count(0)
    texts = page.locator("ol.log .m").all_text_contents()
    assert texts[:3] == ["777", "1777", "2777"]
    assert all("777" in text for text in texts)
    page.get_by_role("button", name="Only matches").click()
    page.keyboard.press("g")
    wait_until_seen(page, 1)


def test_a_search_speaks_the_pages_language(open_page, long_log):
    page = open_page(f"/tasks/{long_log}?q=12345", locale="zh-CN")
    expect(page.locator("[data-part=found]")).to_have_text("第 1 处，共 1 处")
    expect(page.get_by_role("button", name="只看匹配行")).to_be_visible()


def test_what_nobody_said_is_not_found(open_page, long_log):
    page = open_page(f"/tasks/{long_log}")
    page.get_by_role("searchbox").fill("no such line")
    expect(page.locator("[data-part=found]")).to_have_text("no match")


def test_a_search_finds_lines_that_come_later(open_page, service, stopped_later):
    task_id = service.create("slowly", n="9999", pause="0.02")
    stopped_later.append(task_id)
    page = open_page(f"/tasks/{task_id}?q=line+7")
    found = page.locator("[data-part=found]")
    expect(found).to_have_text(re.compile(r"of 1\d$"))


def levels(page):
    """The list of levels, open."""
    place = page.locator("[data-part=levels]")
    if place.get_attribute("open") is None:
        place.locator("summary").click()
    return page.get_by_role("group", name="Levels")


def test_any_levels_are_shown_and_the_address_says_which(open_page, show):
    text = "one\n::error::first\ntwo\n::error::second\n::notice::three\n"
    page = open_page(f"/tasks/{show(text, 'levels.txt')}")
    messages = page.locator("ol.log .m")
    levels(page).get_by_label("error").check()
    expect(messages).to_have_text(["first", "second"])
    assert "level=error" in page.url
    levels(page).get_by_label("stdout").check()
    expect(messages).to_have_text(["one", "first", "two", "second"])
    expect(page.locator("[data-part=levels] summary")).to_have_text("stdout, error")
    page.reload()
    expect(messages).to_have_text(["one", "first", "two", "second"])
    levels(page).get_by_label("stdout").uncheck()
    levels(page).get_by_label("error").uncheck()
    expect(page.locator("[data-part=levels] summary")).to_have_text("all levels")
    expect(log(page).locator("li")).to_have_count(7)
    assert "level" not in page.url
    levels(page).get_by_label("stderr").check()
    expect(page.get_by_text("No lines match.")).to_be_visible()


def test_a_search_among_some_levels_counts_only_those(open_page, show):
    text = "one a\n::error::two a\n::notice::three a\n"
    task_id = show(text, "among.txt")
    page = open_page(f"/tasks/{task_id}?q=a&level=stdout,error,nothing")
    expect(page.locator("[data-part=found]")).to_have_text(re.compile("of 2$"))
    expect(page.locator("ol.log .m")).to_have_text(["one a", "two a"])


def test_a_link_to_a_line_keeps_the_levels_that_it_is_among(open_page, show):
    text = "fine\n" * 400 + "::error::first\n" + "fine\n" * 400
    task_id = show(text, "keeps.txt")
    page = open_page(f"/tasks/{task_id}?level=error#L402")
    wait_until_seen(page, 402)
    expect(log(page).locator("li")).to_have_count(1)
    page.goto(f"/tasks/{task_id}?level=error#L300")
    wait_until_seen(page, 300)
    expect(page.locator("[data-part=levels] summary")).to_have_text("all levels")


def test_the_list_of_levels_is_used_by_keyboard(open_page, long_log):
    page = open_page(f"/tasks/{long_log}")
    place = page.locator("[data-part=levels]")
    place.locator("summary").press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(place.locator("summary")).to_have_text("info")
    page.keyboard.press("Escape")
    expect(page.get_by_role("group", name="Levels")).to_be_hidden()
    expect(place.locator("summary")).to_be_focused()
    levels(page)
    place.locator("summary").blur()  # not every browser gives it the focus by a click
    page.locator("[data-part=count]").click()
    expect(page.get_by_role("group", name="Levels")).to_be_hidden()


# --- Links to lines ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "chosen"),
    [
        ("#L1", [1]),
        ("#L4711", [4711]),
        ("#L60000-L60004", [60000, 60001, 60002, 60003, 60004]),
        ("#L60004-L60000", [60000, 60001, 60002, 60003, 60004]),
        ("#L100002", [100_002]),
    ],
)
def test_a_link_shows_exactly_its_lines_marked(open_page, long_log, link, chosen):
    page = open_page(f"/tasks/{long_log}{link}")
    for seq in chosen:
        wait_until_seen(page, seq)
    marked = page.eval_on_selector_all(
        "ol.log .chosen", "rows => rows.map(row => Number(row.id.slice(1)))"
    )
    assert marked == chosen


def test_a_link_with_a_search_shows_its_lines_and_not_the_nearest_match(
    open_page, long_log
):
    page = open_page(f"/tasks/{long_log}?q=777#L500-L501")
    expect(page.locator("[data-part=found]")).to_have_text(re.compile("matches$"))
    wait_until_seen(page, 500)
    page.keyboard.press("n")
    wait_until_seen(page, 778)
    expect(page.locator("[data-part=found]")).to_have_text(re.compile("^1 of"))


def test_lines_are_chosen_by_click_copied_and_let_go(open_page, long_log):
    page = open_page(f"/tasks/{long_log}#L500")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    wait_until_seen(page, 502).locator(".n").click()
    assert page.url.endswith("#L502")
    page.locator("#L505 .n").click(modifiers=["Shift"])
    assert page.url.endswith("#L502-L505")
    expect(page.get_by_text("Lines 502 to 505")).to_be_visible()
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_text("4 lines copied.").first).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "501\n502\n503\n504\n"
    page.go_back()
    expect(page.locator("ol.log .chosen")).to_have_count(1)
    page.get_by_role("button", name="Clear selection").click()
    expect(page.locator("ol.log .chosen")).to_have_count(0)
    assert "#" not in page.url


def test_lines_are_chosen_by_keyboard(open_page, long_log):
    page = open_page(f"/tasks/{long_log}#L500")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    wait_until_seen(page, 500)
    page.locator(".log-scroll").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page).to_have_url(re.compile("#L502$"))
    expect(page.locator("#announcer")).to_have_text("Line 502: 501")
    for _ in range(40):  # further than what is seen
        page.keyboard.press("Shift+ArrowDown")
    expect(page).to_have_url(re.compile("#L502-L542$"))
    expect(page.locator("#announcer")).to_have_text("Lines 502 to 542: 541")
    expect(page.locator("#L542.chosen")).to_be_in_viewport(ratio=1)
    page.keyboard.press("y")
    expect(page.get_by_text("The link is copied.").first).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    for _ in range(42):
        page.keyboard.press("Shift+ArrowUp")
    expect(page).to_have_url(re.compile("#L500-L502$"))
    expect(page.locator("#L500.chosen")).to_be_in_viewport(ratio=1)
    page.keyboard.press("ArrowUp")
    expect(page).to_have_url(re.compile("#L499$"))
    page.keyboard.press("Escape")
    expect(page.locator("ol.log .chosen")).to_have_count(0)
    assert "#" not in page.url
    page.go_back()
    expect(page).to_have_url(re.compile("#L499$"))


def test_choosing_by_keyboard_begins_with_what_is_in_sight(open_page, long_log):
    page = open_page(f"/tasks/{long_log}")
    page.keyboard.press("G")
    wait_until_seen(page, 100_002)
    page.locator(".log-scroll").press("ArrowUp")
    expect(page).to_have_url(re.compile("#L100002$"))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    expect(page).to_have_url(re.compile("#L100001$"))
    page.keyboard.press("Escape")
    page.keyboard.press("Home")
    wait_until_seen(page, 1)
    page.keyboard.press("ArrowDown")
    expect(page).to_have_url(re.compile("#L1$"))


def test_the_keyboard_goes_from_one_shown_line_to_the_next(open_page, long_log):
    page = open_page(f"/tasks/{long_log}?q=777&only=1#L778")
    wait_until_seen(page, 1778)
    page.locator(".log-scroll").press("ArrowDown")
    expect(page).to_have_url(re.compile("only=1#L1778$"))
    page.keyboard.press("Shift+ArrowDown")
    expect(page).to_have_url(re.compile("#L1778-L2778$"))


def test_a_browser_that_copies_nothing_is_told_of(open_page, long_log):
    page = open_page(f"/tasks/{long_log}#L500")
    wait_until_seen(page, 500)
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")
    page.keyboard.press("y")
    told = page.locator("[data-part=chosen-lines]")
    expect(told).to_have_text("Nothing was copied: the browser blocked it.")


# --- How lines look ------------------------------------------------------------------


def test_times_are_shown_in_four_ways(open_page, long_log):
    page = open_page(f"/tasks/{long_log}#L500")
    wait_until_seen(page, 500)
    time = page.locator("#L500 time")
    expect(time).to_be_hidden()
    page.keyboard.press("t")
    expect(time).to_have_text(re.compile(r"^\d\d:\d\d:\d\d\.\d{3}$"))
    page.keyboard.press("t")
    expect(time).to_have_text(re.compile(r"^\+\d+\.\d{3}$"))
    page.keyboard.press("t")
    expect(time).to_have_text(re.compile(r"^\+0\.\d{3}$"))
    expect(page.get_by_label("Times")).to_have_value("previous")
    page.keyboard.press("t")
    expect(time).to_be_hidden()


def test_colours_of_programs_are_shown_and_other_escapes_are_not(open_page, show):
    text = (
        "\x1b[31mred\x1b[0m plain \x1b[1;32mbold green\x1b[0m\n"
        "\x1b[38;2;1;2;3mtrue colour\x1b[0m\n"
        "\x1b]0;window title\x07after a title\x1b[2K\n"
        "never ends \x1b[12\n"
        "\x1b]8;;https://example.com/a?b=1&c=2\x1b\\a link\x1b]8;;\x1b\\ there\n"
        "\x1b]8;;javascript:alert(1)\x1b\\no link\x1b]8;;\x1b\\\n"
        "\x1b[31m<img src=x onerror=alert(1)>\x1b[0m\n"
        "\x1b[38;5;7mgrey\x1b[0m \x1b[7;9mturned and struck\x1b[27;29m neither\n"
        "see (https://example.com/a_(b)), ftp://example.com/c\n"
    )
    page = open_page(f"/tasks/{show(text, 'colours.txt')}")
    expect(page.locator("#L2 .ansi-red-fg")).to_have_text("red")
    expect(page.locator("#L2 .ansi-bold.ansi-green-fg")).to_have_text("bold green")
    expect(page.locator("#L2 .m")).to_have_text("red plain bold green")
    expect(page.locator("#L3 span[class='']")).to_have_css("color", "rgb(1, 2, 3)")
    expect(page.locator("#L4 .m")).to_have_text("after a title")
    expect(page.locator("#L5 .m")).to_contain_text("never ends")
    link = page.get_by_role("link", name="a link")
    expect(link).to_have_attribute("href", "https://example.com/a?b=1&c=2")
    expect(page.locator("#L7 .m")).to_have_text("no link")
    expect(page.locator("#L7 .m a")).to_have_count(0)
    expect(page.locator("#L8 .m")).to_have_text("<img src=x onerror=alert(1)>")
    turned = page.locator("#L9 .ansi-inverse.ansi-strike")
    expect(turned).to_have_text("turned and struck")
    plain_link = page.locator("#L10 a:not(.n)")
    expect(plain_link).to_have_text("https://example.com/a_(b)")
    expect(plain_link).to_have_attribute("rel", "noopener noreferrer")


def test_a_line_that_turns_its_direction_says_so_instead(open_page, show):
    text = "run \u202egnp.exe\u202c now\n"
    page = open_page(f"/tasks/{show(text, 'turned.txt')}")
    message = page.locator("#L2 .m")
    expect(message).to_have_text("run gnp.exe now")
    named = "spans => spans.map(span => getComputedStyle(span, '::before').content)"
    shown = message.locator(".direction").evaluate_all(named)
    assert shown == ['"U+202E"', '"U+202C"']


def test_a_colour_runs_on_until_it_is_turned_off(open_page, show):
    text = (
        "\x1b[31mred\nstill red\n\n\x1b[1mred and bold\nstill both\x1b[0m\nnone\n"
        "\x1b[32;4mgreen\x1b[39m\nunderlined\n\x1b[24mnone again\n"
        "\x1b[48;2;1;2;3mtrue\nstill true\x1b[m\nnone at last\n"
    )
    page = open_page(f"/tasks/{show(text, 'on.txt')}")
    expect(page.locator("#L3 .ansi-red-fg")).to_have_text("still red")
    both = page.locator("#L6 .ansi-red-fg.ansi-bold")
    expect(both).to_have_text("still both")
    expect(page.locator("#L9 .ansi-underline")).to_have_text("underlined")
    expect(page.locator("#L9 .ansi-green-fg")).to_have_count(0)
    true = page.locator("#L12 .m span")
    expect(true).to_have_css("background-color", "rgb(1, 2, 3)")
    expect(true).to_have_class("")
    for seq, words in ((7, "none"), (10, "none again"), (13, "none at last")):
        expect(page.locator(f"#L{seq} .m")).to_have_text(words)
        expect(page.locator(f"#L{seq} .m [class*=ansi]")).to_have_count(0)
        expect(page.locator(f"#L{seq} .m [style]")).to_have_count(0)


def test_a_colour_is_that_of_one_output_of_one_step(open_page, service):
    task_id = service.create("coloured")
    service.wait_for(task_id)
    page = open_page(f"/tasks/{task_id}")
    shown = {
        "still red": "ansi-bold ansi-red-fg",
        "still green": "ansi-underline ansi-green-fg",
        "plain out": "m",
        "plain err": "m",
        "another step": "m",
        "its errors": "m",
    }
    for words, name in shown.items():
        expect(log(page).get_by_text(words, exact=True)).to_have_class(name)


def test_a_colour_runs_on_into_lines_that_come_live(open_page, service, stopped_later):
    task_id = service.create("reddening")
    stopped_later.append(task_id)
    page = open_page(f"/tasks/{task_id}")
    reds = page.locator("ol.log .ansi-red-fg")
    page.wait_for_function(
        "() => document.querySelectorAll('ol.log .ansi-red-fg').length > 5"
    )
    expect(reds.last).to_have_text("red")


def test_older_lines_that_come_colour_those_below_them(open_page, show):
    text = "plain\n" * 395 + "\x1b[31mred\n" + "words\n" * 202
    page = open_page(f"/tasks/{show(text, 'older.txt')}")
    page.keyboard.press("G")
    expect(wait_until_seen(page, 599).locator(".m")).to_have_text("words")
    expect(page.locator("#L599 .ansi-red-fg")).to_have_count(0)
    page.evaluate("location.hash = '#L403'")
    expect(page.locator("#L403 .ansi-red-fg")).to_have_text("words")
    expect(page.locator("#L410 .ansi-red-fg")).to_be_in_viewport()
    page.keyboard.press("G")
    expect(wait_until_seen(page, 599).locator(".ansi-red-fg")).to_have_text("words")
    page.keyboard.press("g")
    expect(wait_until_seen(page, 1).locator(".m span")).to_have_count(0)


def test_what_is_far_from_a_colours_beginning_has_none(open_page, show):
    text = "\x1b[31mred\n" + "words\n" * 3000
    page = open_page(f"/tasks/{show(text, 'far.txt')}")
    page.evaluate("location.hash = '#L1504'")
    expect(wait_until_seen(page, 1504).locator(".m")).to_have_text("words")
    expect(page.locator("ol.log .ansi-red-fg")).to_have_count(0)


def test_a_match_has_the_colours_of_the_lines_that_are_there(open_page, show):
    found = "\x1b[31mneedle\nbetween\nneedle again\n"
    text = "words\n" * 500 + found + "words\n" * 500
    page = open_page(f"/tasks/{show(text, 'match.txt')}?q=needle&only=1")
    again = page.locator("#L504 .m")
    expect(again).to_have_text("needle again")
    expect(page.locator("#L502 .ansi-red-fg")).to_have_text("needle")
    expect(again.locator(".ansi-red-fg")).to_have_count(0)
    page.get_by_role("button", name="Only matches").click()
    expect(again.locator(".ansi-red-fg")).to_have_text("needle again")
    expect(again.locator("mark")).to_have_text("needle")


def test_a_line_redrawn_by_carriage_returns_is_one_line(open_page, show):
    task_id = show("10 %\r50 %\r100 %\ndone\n", "redrawn.txt")
    page = open_page(f"/tasks/{task_id}")
    expect(page.locator("#L2 .m")).to_have_text("100 %")
    expect(page.locator("#L3 .m")).to_have_text("done")


def test_a_long_line_is_folded_until_it_is_asked_for(open_page, show):
    task_id = show("x" * 5000 + "\n", "long.txt")
    page = open_page(f"/tasks/{task_id}")
    expect(page.locator("#L2 .m")).to_contain_text("… 3,000 more characters")
    page.get_by_role("button", name="more characters").click()
    expect(page.locator("#L2 .m")).to_have_text("x" * 5000)


def test_long_lines_are_wrapped_or_not(open_page, show):
    task_id = show("word " * 300 + "\n", "wrap.txt")
    page = open_page(f"/tasks/{task_id}")
    height = "document.querySelector('#L2')?.getBoundingClientRect().height"
    page.wait_for_function(f"() => {height} > 40")
    page.keyboard.press("w")
    expect(page.get_by_role("button", name="Wrap")).to_have_attribute(
        "aria-pressed", "false"
    )
    page.wait_for_function(f"() => {height} === 20")


def grouped(count):
    """A group of 100 lines, so many times."""
    groups = (
        f"::group::Part {n}\n" + "inside\n" * 100 + "::endgroup::\n"
        for n in range(1, count + 1)
    )
    return "before\n" + "".join(groups) + "after\n"


def test_groups_are_folded_one_by_one_and_all_together(open_page, show):
    task_id = show(grouped(3), "groups.txt")
    page = open_page(f"/tasks/{task_id}")
    page.keyboard.press("g")
    head = page.get_by_role("button", name="Part 1")
    expect(head).to_have_attribute("aria-expanded", "true")
    expect(page.locator("#L4.in-group")).to_be_visible()
    head.press("Enter")
    expect(head).to_have_attribute("aria-expanded", "false")
    expect(head).to_be_focused()
    expect(head).to_contain_text("100 lines")
    expect(page.locator("#L4")).to_have_count(0)
    expect(page.locator("#L105")).to_be_visible()
    page.get_by_role("button", name="Fold groups").click()
    seqs = log(page).evaluate(SEQS)
    assert seqs == [1, 2, 3, 105, 207, 309, 310]
    page.get_by_role("button", name="Fold groups").click()
    expect(page.locator("#L4")).to_be_attached()


def test_a_link_into_a_folded_group_unfolds_it(open_page, show):
    page = open_page(f"/tasks/{show(grouped(3), 'inside.txt')}")
    page.get_by_role("button", name="Fold groups").click()
    expect(page.locator("ol.log li")).to_have_count(7)
    page.evaluate("location.hash = '#L250'")
    wait_until_seen(page, 250)
    expect(page.locator("#L150")).to_have_count(0)


def test_the_first_error_stands_above_the_log_and_leads_to_it(open_page, show):
    lines = "fine\n" * 400 + "::error::the disk is full\n" + "more\n" * 400
    task_id = show(lines + "::error::again\n", "errors.txt")
    page = open_page(f"/tasks/{task_id}")
    link = page.get_by_role("link", name="First error, line 402: the disk is full")
    link.click()
    wait_until_seen(page, 402)
    assert page.url.endswith("#L402")
    expect(page.locator("#L402")).to_have_class(re.compile("chosen"))


def test_the_first_error_is_what_a_traceback_names(open_page, service):
    page = open_page(f"/tasks/{service.create('breaks')}")
    link = page.get_by_role("link", name="First error, line 6: KeyError: 'sprites'")
    expect(link).to_be_visible()
    expect(page.locator("[data-part=cause]")).to_have_text("KeyError: 'sprites'")
    failure = "Step “break” failed with exit code 1."
    expect(page.locator("[data-part=error]")).to_have_text(failure)
    page.reload()
    link.click()
    expect(wait_until_seen(page, 6)).to_have_class(re.compile("chosen"))


def test_warnings_are_counted_and_lead_from_one_to_the_next(open_page, show):
    lines = "fine\n" * 400 + "::warning::low disk\n" + "more\n" * 400
    page = open_page(f"/tasks/{show(lines + '::warning::again', 'warned.txt')}")
    expect(page.locator("[data-part=warning-count]")).to_have_text("⚠ 2")
    page.get_by_role("button", name="Next warning").click()
    row = wait_until_seen(page, 402)
    expect(row).to_have_class(re.compile("chosen"))
    expect(row.locator(".m")).to_have_attribute("data-word", "Warning")
    page.get_by_role("button", name="Next warning").click()
    wait_until_seen(page, 803)
    page.get_by_role("button", name="Previous warning").click()
    wait_until_seen(page, 402)


def test_warnings_are_counted_as_they_come(open_page, service, stopped_later):
    task_id = service.create("warns")
    stopped_later.append(task_id)
    page = open_page(f"/tasks/{task_id}")
    expect(page.locator("[data-part=warning-count]")).to_have_text("⚠ 1")
    (service.data_dir / "warn-again").touch()
    expect(page.locator("[data-part=warning-count]")).to_have_text("⚠ 2")


def test_that_somebody_cancelled_it_is_not_an_error(open_page, service):
    task_id = service.create("slowly", n="9999")
    page = open_page(f"/tasks/{task_id}")
    expect(log(page)).to_contain_text("line 1")
    service.request("POST", f"/api/tasks/{task_id}/cancel")
    expect(log(page)).to_contain_text("Cancelled by bootstrap.")
    expect(watched(page)).to_have_attribute("data-status", "cancelled")
    expect(page.get_by_role("link", name="First error")).to_have_count(0)
    page.reload()
    expect(log(page)).to_contain_text("Cancelled by bootstrap.")
    expect(page.get_by_role("link", name="First error")).to_have_count(0)


def test_an_error_before_it_was_cancelled_is_one(open_page, service):
    task_id = service.create("complains")
    page = open_page(f"/tasks/{task_id}")
    error = page.get_by_role("link", name="First error, line 2: the disk is full")
    expect(error).to_be_visible()
    service.request("POST", f"/api/tasks/{task_id}/cancel")
    expect(watched(page)).to_have_attribute("data-status", "cancelled")
    expect(error).to_be_visible()


def test_the_step_that_is_being_read_stands_above_the_log(open_page, long_log):
    page = open_page(f"/tasks/{long_log}#L50000")
    expect(page.locator("[data-part=where]")).to_have_text("1 count")


def test_what_a_program_says_begins_no_step(open_page, service):
    page = open_page("/")
    task_id = service.create("forging")
    page.goto(f"/tasks/{task_id}")
    try:
        expect(log(page)).to_contain_text("waiting")
        second = page.locator("#L54.step")
        expect(second).to_contain_text("echo waiting")
        forged = re.compile("^Executing: (forged|again)$")
        expect(page.locator("li.step .m", has_text=forged)).to_have_count(0)
        page.reload()  # the server's landmarks instead of lines that come
        expect(second).to_be_visible()
        page.keyboard.press("g")
        expect(page.locator("#L2")).to_be_in_viewport()
        expect(page.locator("#L1.step")).to_be_visible()
        expect(page.locator("li.step .m", has_text=forged)).to_have_count(0)
        where = page.locator("[data-part=where]")
        expect(where).to_be_hidden()  # its heading is in sight
        page.evaluate("location.hash = '#L40'")
        expect(where).to_have_text("1 first")
    finally:
        service.request("POST", f"/api/tasks/{task_id}/cancel", json={"force": True})
        service.wait_for(task_id)


# --- The whole log --------------------------------------------------------------------


def test_steps_are_headed_by_their_names_and_folded(open_page, service):
    task_id = service.create("coloured")
    service.wait_for(task_id)
    page = open_page(f"/tasks/{task_id}")
    first = page.locator("#L1")
    expect(first.locator(".heading")).to_have_text(re.compile("^1 colours.+s✓$"))
    expect(first.get_by_role("img", name="completed")).to_be_visible()
    command = first.locator(".m")
    expect(command).to_have_css("opacity", "0")
    first.hover()
    expect(command).to_have_css("opacity", "1")
    expect(command).to_have_text(re.compile("^Executing: sh -c"))
    count = log(page).locator("li").count()
    fold = first.get_by_role("button", name="1 colours")
    fold.press("Enter")
    expect(fold).to_have_attribute("aria-expanded", "false")
    expect(page.locator("#L2")).to_have_count(0)
    page.get_by_role("button", name="Fold steps").click()
    expect(log(page).locator("li")).to_have_count(3)  # two steps, and the last word
    page.get_by_role("button", name="Fold steps").click()
    expect(log(page).locator("li")).to_have_count(count)


def test_what_the_runner_says_is_in_the_readers_language_and_copied_as_it_is_stored(
    open_page, service
):
    task_id = service.create("flaky")
    service.wait_for(task_id)
    page = open_page(f"/tasks/{task_id}", locale="zh-CN")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    words = page.locator("ol.log .m")

    def seen(line):
        return line.evaluate("line => getComputedStyle(line, '::before').content")

    retry = words.filter(has_text="Attempt 2 of ")
    expect(retry).to_have_attribute("data-said", re.compile("^步骤“unsteady”失败"))
    wait_until(lambda: seen(retry) == f'"{retry.get_attribute("data-said")}"')
    last = words.filter(has_text=re.compile(r"^Completed 2 steps in [\d.]+ s\.$"))
    completed = re.compile(r'"全部 2 个步骤已完成，用时 [\d.]+ 秒。"')
    wait_until(lambda: completed.fullmatch(seen(last)), "the last line in Chinese")
    stored = last.text_content()
    last.select_text()
    page.keyboard.press("Control+c")
    assert page.evaluate("navigator.clipboard.readText()") == stored
    page.locator("[data-part=search]").fill("Completed")
    expect(last.locator("mark")).to_have_text("Completed")
    expect(last).not_to_have_attribute("data-said", re.compile("."))


def test_text_stays_marked_where_its_rows_are_gone_and_is_copied_whole(
    open_page, long_log
):
    page = open_page(f"/tasks/{long_log}#L500")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    wait_until_seen(page, 500)
    frame = page.locator(".log-scroll").bounding_box()
    x, y = frame["x"] + 400, frame["y"] + frame["height"] / 2

    def has_begun_to_drag():
        """Rows are still drawn anew, and with the row a drag's beginning goes."""
        page.locator("#L500 .m").hover(position={"x": 1, "y": 10})
        page.mouse.down()
        page.mouse.move(x, y, steps=3)
        if page.evaluate("getSelection().toString().length > 9"):
            return True
        page.mouse.up()
        return False

    wait_until(has_begun_to_drag, "text to be selected by dragging")
    for _ in range(10):
        page.mouse.wheel(0, 600)
    expect(page.locator("#L500")).to_have_count(0)
    page.mouse.move(x, y + 20, steps=3)
    page.mouse.up()
    said = page.locator("[data-part=chosen-lines]")
    expect(said).to_have_text(re.compile(r"^\d{3} lines selected$"))
    count = int(said.text_content().split()[0])
    page.keyboard.press("Control+c")
    expect(page.get_by_text(f"{count} lines copied.").first).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "\n".join(str(n) for n in range(499, 499 + count))
    page.locator(".log-scroll").focus()
    page.keyboard.press("Control+a")
    expect(page.get_by_text("All 100,002 lines selected")).to_be_visible()
    expect(page.get_by_role("link", name="Download all")).to_be_visible()
    page.get_by_role("button", name="Copy (10,000)").click()
    expect(
        page.get_by_text("The first 10,000 lines were copied.").first
    ).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert copied[0] == "Executing: seq 100000"
    assert copied[1:] == [str(n) for n in range(1, 10_000)]
    page.keyboard.press("Escape")
    expect(page.locator("[data-part=chosen-lines]")).to_have_text("Line 500")


def test_the_strip_shows_the_whole_log_and_leads_anywhere_in_it(open_page, show):
    lines = "fine\n" * 4000 + "::error::the disk is full\n" + "more\n" * 4000
    page = open_page(f"/tasks/{show(lines, 'strip.txt')}")
    wait_until_seen(page, 1)
    strip = page.locator("[data-part=heat]")
    expect(strip).to_have_attribute("aria-hidden", "true")
    expect(page.locator("[data-part=error-count]")).to_have_text("✕ 1")
    height = strip.bounding_box()["height"]
    strip.hover(position={"x": 7, "y": height / 2})
    tip = page.locator("[data-part=heat-tip]")
    expect(tip).to_contain_text("Line 4,002")
    expect(tip).to_contain_text("the disk is full")
    page.mouse.down()
    page.mouse.up()
    wait_until_seen(page, 4002)
    colours = strip.locator("canvas").evaluate(
        """canvas => new Set(canvas.getContext('2d')
            .getImageData(0, 0, canvas.width, canvas.height).data).size"""
    )
    assert colours > 10
    strip.click(position={"x": 7, "y": height * 0.9})
    page.wait_for_function(
        "() => [...document.querySelectorAll('ol.log li')].some(row =>"
        " Math.abs(row.id.slice(1) - 7200) < 60)"
    )
    expect(page.locator("[data-part=where]")).to_have_text("1 show")
    page.locator("[data-part=where]").click()
    wait_until_seen(page, 1)
    expect(page.locator("[data-part=where]")).to_be_hidden()


def test_the_place_is_kept_over_a_reload_and_on_the_way_back(open_page, long_log):
    page = open_page(f"/tasks/{long_log}")
    wait_until_seen(page, 1)
    page.evaluate("location.hash = '#L60000'")
    wait_until_seen(page, 60_000)
    page.locator(".log-scroll").hover()
    page.mouse.wheel(0, 4000)
    expect(page.locator("#L60000")).not_to_be_in_viewport()
    first = seen(page)[0]
    page.wait_for_function("first => history.state?.log?.seq === first", arg=first)
    page.reload()
    wait_until_seen(page, first + 2)
    assert seen(page)[0] == first
    page.goto("/history")
    page.go_back()
    wait_until_seen(page, first + 2)
    assert seen(page)[0] == first


def test_ctrl_f_searches_the_whole_of_a_log_that_is_longer_than_what_is_drawn(
    open_page, long_log
):
    page = open_page(f"/tasks/{long_log}")
    wait_until_seen(page, 1)
    page.evaluate(
        """addEventListener('keydown', event => {
            window.taken = event.defaultPrevented;
        })"""
    )
    page.keyboard.press("Control+f")
    expect(page.get_by_role("searchbox")).to_be_focused()
    assert page.evaluate("window.taken") is True
    page.keyboard.press("Control+f")
    assert page.evaluate("window.taken") is False


def test_what_has_come_since_the_last_visit_is_said(open_page, service, stopped_later):
    task_id = service.create("slowly", n="9999", pause="0.02")
    stopped_later.append(task_id)
    page = open_page(f"/tasks/{task_id}")
    wait_until_followed(page, 5)
    page.goto("/history")
    count = service.task(task_id)["logCount"] + 100
    wait_until(lambda: service.task(task_id)["logCount"] > count, "more lines")
    page.goto(f"/tasks/{task_id}")
    news = re.compile(r"[\d,]+ new lines since your last visit$")
    button = page.get_by_role("button", name=news)
    button.click()
    expect(button).to_be_hidden()
    expect(page.locator("ol.log .note")).to_have_text(news)
    expect(page.locator("ol.log .note")).to_be_in_viewport()
    page.keyboard.press("G")
    page.wait_for_function("() => history.state?.log?.following")
    page.reload()
    wait_until_followed(page, count)
    expect(page.locator("ol.log .note")).to_have_count(0)


def test_the_browser_proves_that_it_has_what_was_stored(open_page, show):
    page = open_page(f"/tasks/{show('世界' + chr(10) * 3 + 'end', 'sealed.txt')}")
    expect(page.locator("[data-part=seal]")).to_have_text("✓ digest verified")


# --- The rest -----------------------------------------------------------------------


def test_the_whole_log_is_downloaded(open_page, long_log):
    page = open_page(f"/tasks/{long_log}")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert len(download.value.path().read_text().splitlines()) == 100_002


def test_the_newest_lines_are_there_without_script(open_page, long_log):
    page = open_page(f"/tasks/{long_log}#L100001", java_script_enabled=False)
    expect(page.locator("ol.log > li")).to_have_count(200)
    expect(page.locator("#L100001")).to_be_in_viewport()


# --- The log alone ------------------------------------------------------------------


def box_of(page):
    box = page.locator(".log-box").bounding_box()
    return round(box["width"]), round(box["height"])


def test_the_log_fills_the_window_and_stays_where_it_was(open_page, service):
    task_id = service.create("count", n="2000")
    service.wait_for(task_id)
    page = open_page(f"/tasks/{task_id}#L1000")
    wait_until_seen(page, 1000)
    before = box_of(page)
    page.keyboard.press("z")
    whole = page.viewport_size
    assert box_of(page) == (whole["width"], whole["height"]) != before
    wait_until_seen(page, 1000)
    expect(page.locator("#announcer")).to_have_text(re.compile("Press Esc"))
    expect(page.get_by_role("button", name="Rerun")).to_be_hidden()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    assert box_of(page)[0] == whole["width"]  # Escape was for the dialog

    page.reload()
    wait_until_seen(page, 1000)
    assert box_of(page)[0] == whole["width"]
    page.locator(".log-scroll").focus()
    page.keyboard.press("Escape")  # lets go of the line that is chosen
    expect(page.locator("ol.log .chosen")).to_have_count(0)
    assert box_of(page)[0] == whole["width"]
    page.keyboard.press("Escape")
    assert box_of(page) == before
    page.get_by_role("button", name="Fill the window").click()
    assert box_of(page)[0] == whole["width"]
    page.keyboard.press("z")
    assert box_of(page) == before
    page.reload()
    expect(log(page)).to_be_visible()
    assert box_of(page) == before


def test_beside_a_log_that_fills_the_window_nothing_takes_the_focus(open_page, service):
    task_id = service.create("say")
    service.wait_for(task_id)
    page = open_page(f"/tasks/{task_id}")
    page.get_by_role("link", name="History").focus()
    page.keyboard.press("z")
    for _ in range(20):
        page.keyboard.press("Tab")
        where = "document.activeElement.closest('.log-box, body').className"
        assert page.evaluate(where) in {"log-box", ""}
        inside = "document.activeElement.matches('.log-box *, body')"
        assert page.evaluate(inside)
