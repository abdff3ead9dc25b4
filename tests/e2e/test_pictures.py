"""What would make an eye stop: on each page, in five widths, two themes and two
languages. Fonts differ from machine to machine, so no picture is compared with another
one: a script, eye.js, judges what is drawn.

``PICTURES=FOLDER`` keeps the pictures there, for people to look at.
"""

import gettext
import os
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tasks.catalog.loader import load
from tests.waiting import wait_until

from .barriers import COLOURS_HAVE_CHANGED
from .conftest import PATIENCE_MS, ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

PAGES = {
    "design": "/design",
    "now": "/",
    "start": "/?type=full-sync&version=v885",
    "failed": "/tasks/{failed}",
    "running": "/tasks/{running}",
    "completed": "/tasks/{released}",
    "history": "/history",
    "figures": "/history?view=figures",
    "releases": "/releases?platform=ios&from=v884&to=v885",
    "keys": "/admin/",
    "sign-in": "/admin/login/",
}
OF_STRANGERS = {"sign-in"}
SIZES = {390: 844, 820: 1180, 1366: 768, 1920: 1080, 3840: 2160}
LANGUAGES = {"en": "en-US", "zh": "zh-CN"}
LINES = 30  # three seconds of them
EYE = Path(__file__).with_name("eye.js").read_text()
# What follows a key or a click was asked for, a log that is followed moves, and what
# grows to one side stays where it is.
WATCH_SHIFTS = """
  const shifts = [];
  const observer = new PerformanceObserver((list) => shifts.push(...list.getEntries()));
  observer.observe({ type: "layout-shift", buffered: true });
  window.whatMoved = () => {
    shifts.push(...observer.takeRecords());
    const differ = (one, other) => Math.abs(one - other) > 3; // as browsers count
    return shifts
      .filter((shift) => !shift.hadRecentInput)
      .flatMap(({ sources }) => [...sources])
      .filter(({ node, previousRect: was, currentRect: is }) => {
        const element = node?.parentElement;
        const isAside = differ(was.left, is.left) && differ(was.right, is.right);
        const isMoved = isAside || differ(was.top, is.top);
        return isMoved && element && !element.closest(".log-scroll");
      })
      .map(({ node, previousRect: was, currentRect: is }) => {
        const what = (node.outerHTML ?? node.data).replace(/\\s+/g, " ").slice(0, 70);
        return `${what} from ${was.x}, ${was.y} to ${is.x}, ${is.y}`;
      });
  };
"""


LAID_OUT = """async () => {
  await document.fonts.ready;
  for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame);
}"""


@pytest.fixture(scope="module")
def tasks(service, demo):
    """Released, failed, running and waiting ones, so that pages have all they show."""
    released = service.create("full-sync", version="v885", guard="100")
    service.wait_for(released)
    service.wait_for(service.create("rollback", version="v884"))
    compared = "/api/releases/ios/changes?from=v884&to=v885"
    wait_until(lambda: service.request("GET", compared).ok, "the comparison")
    for n in ("3", "3000", "30"):
        service.wait_for(service.create("count", n=n))
    service.wait_for(service.create("breaks"))
    failed = service.create("full-sync", version="v999")
    service.wait_for(failed, "failed")
    running = service.create("progressing", n="9999", pause="0.1")
    held = [service.create("gate") for _ in range(3)]
    service.wait_for(running, "running")
    service.wait_for(held[0], "running")
    yield {"released": released, "failed": failed, "running": running}
    for task_id in (*reversed(held), running):
        service.request("POST", f"/api/tasks/{task_id}/cancel")
        service.wait_for(task_id)


@pytest.fixture(scope="module")
def tab(chromium, service, signed_in, tasks):
    """Gives one tab for each language, and for who has signed in and who has not; more
    of them by number."""

    @cache
    def tab(language, *, is_stranger=False, number=0):
        context = chromium.new_context(
            base_url=service.url,
            storage_state=None if is_stranger else signed_in,
            locale=LANGUAGES[language],
            timezone_id="Asia/Shanghai",
        )
        context.add_init_script(WATCH_SHIFTS)
        context.set_default_timeout(PATIENCE_MS)
        return context.new_page()

    return tab


@pytest.fixture
def visit(tab, tasks):
    """Opens a page and waits until it has all that it will have."""

    def visit(name, language, width, number=0):
        page = tab(language, is_stranger=name in OF_STRANGERS, number=number)
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": width, "height": SIZES[width]})
        assert page.goto(PAGES[name].format(**tasks)).status == 200
        live = page.locator("[data-part=connection]")
        if name in {"now", "start", "running", "releases"}:
            expect(live).to_have_attribute("data-state", "live")
        if name == "start":
            expect(page.locator(".plan:visible [data-state]").first).to_be_visible()
        page.evaluate(LAID_OUT)
        return page

    return visit


def resize(page, width):
    page.set_viewport_size({"width": width, "height": SIZES[width]})
    page.evaluate(LAID_OUT)


def keep(page, name):
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


# --- The pages ------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_nothing_on_a_page_makes_an_eye_stop(visit, heads, name):
    found = defaultdict(list)
    for language in LANGUAGES:
        for width in SIZES:
            # To load a page takes ten times as long as to judge it. What moves while
            # one comes in does so in any language.
            if language == "en" or width == min(SIZES):
                page = visit(name, language, width)
                for what in page.evaluate("whatMoved()"):
                    found[f"moves: {what}"].append(f"{language} {width}")
            else:
                resize(page, width)
            for theme in ("light", "dark"):
                page.emulate_media(color_scheme=theme)
                page.evaluate(COLOURS_HAVE_CHANGED)
                seen = page.evaluate(EYE)
                for what in seen["found"]:
                    found[what].append(f"{language} {width} {theme}")
                keep(page, f"{name}-{width}-{language}-{theme}")
            if language == "zh":
                for words in filter(is_english, seen["words"]):
                    found[f"not translated: {words}"].append(f"{width}")
            if name not in OF_STRANGERS:  # who have nothing to choose from
                heads[language, width].add(seen["head"])
    assert not found, "\n".join(f"{what}  {where}" for what, where in found.items())
    assert all(len(heights) == 1 for heights in heads.values()), heads


@pytest.fixture(scope="module")
def heads():
    """The heights of the head, which is the same on all pages of a size."""
    return defaultdict(set)


@pytest.mark.parametrize("name", ["now", "running"])
def test_nothing_moves_while_lines_come(visit, service, tasks, name):
    pages = {
        width: visit(name, "en", width, number) for number, width in enumerate(SIZES)
    }
    before = service.task(tasks["running"])["logCount"]
    wait_until(
        lambda: service.task(tasks["running"])["logCount"] >= before + LINES,
        "some seconds of lines",
    )
    moved = {width: page.evaluate("whatMoved()") for width, page in pages.items()}
    assert not any(moved.values()), moved


# --- Words ----------------------------------------------------------------------------


@cache
def is_english(words):
    """Whether these are words of a Chinese page that have a Chinese translation."""
    if not re.search("[A-Za-z]{2}", words) or re.search("[\u3400-\u9fff]", words):
        return False
    return words not in names() and any(text.fullmatch(words) for text in english())


@cache
def names():
    """The tests' own task types, and who signs in, are the same in every language."""
    types = load(Path(__file__).with_name("task_types.toml"))
    return {"admin", *(kind.title for kind in types.values())}


@cache
def english():
    """Every text that reads otherwise in Chinese, with room for what is put into it."""
    path = ROOT / "locale/zh_Hans/LC_MESSAGES/django.mo"
    with path.open("rb") as file:
        catalog = gettext.GNUTranslations(file)._catalog
    pairs = {key if isinstance(key, str) else key[0]: catalog[key] for key in catalog}
    for kind in load(ROOT / "task_types.toml").values():
        pairs |= kind.translations["zh-hans"]
    patterns = []
    for text, chinese in pairs.items():
        pieces = re.split(r"%\(\w+\)[a-z]|\{\w*\}", text.rpartition("\x04")[2])
        if text != chinese and re.search("[A-Za-z]{4}", " ".join(pieces)):
            pattern = ".+".join(map(re.escape, pieces))
            patterns.append(re.compile(pattern.replace(r"\ ", r"\s+")))
    return patterns


# --- The eye itself -------------------------------------------------------------------

WORDS_IN_A_BOX = """
  const box = document.createElement("div");
  box.textContent = "Some words that are long enough";
  box.style.whiteSpace = "nowrap";
  document.querySelector("#main").prepend(box);
"""
FLAWS = {
    "scrolls sideways": "box.style.width = '9999px'",
    "outside the window": "box.style.marginLeft = '-40px'",
    "cut off": "Object.assign(box.style, {width: '20px', overflow: 'hidden'})",
    "overlaps": "box.style.marginBottom = '-14px'",
    "text of 11 px": "box.style.fontSize = '11px'",
    "contrast of": "box.style.color = 'light-dark(#aaa, #555)'",
    "target of": "box.innerHTML = '<button></button><button></button>';"
    "for (const { style } of box.children) {"
    "  style.padding = 0; style.minHeight = style.height = style.width = '12px'; }",
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_the_eye_sees_a_flaw(visit, flaw):
    page = visit("design", "en", 1366)
    page.evaluate(f"() => {{ {WORDS_IN_A_BOX} {FLAWS[flaw]} }}")
    found = page.evaluate(EYE)["found"]
    assert any(what.startswith(flaw) for what in found), found


def test_the_eye_sees_what_moves(visit):
    page = visit("design", "en", 1366)
    page.evaluate(
        """async () => {
          const box = document.createElement('div');
          box.style.height = '200px';
          document.querySelector('#main').prepend(box);
          for (let frame = 0; frame < 3; frame += 1) {
            await new Promise(requestAnimationFrame);
          }
        }"""
    )
    assert page.evaluate("whatMoved()")


def test_a_text_that_was_not_translated_is_known_by_the_catalogue():
    assert is_english("Running and queued")
    assert is_english("5 queued")
    assert is_english("Check sources")
    assert not is_english("Facebook")
    assert not is_english("排队 5")
    assert not is_english("42")
