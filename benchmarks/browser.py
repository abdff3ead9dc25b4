"""How a task's page bears a log of a million lines, in a real browser.

    .venv/bin/python benchmarks/browser.py [--quick] [--database postgres://USER@HOST/DB]

Prints a Markdown table and then JSON with every single measurement. What the rows
mean is in README.md.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from pages import Opened, opened
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from rows import built, environment, markdown
from servers import ROOT, Product, end_in_order_on_signals

ARGUMENTS = "--headless=new --no-sandbox --disable-gpu --no-first-run"
EVERY_MICROSECONDS = 200  # 5,000 lines a second
PATIENCE_MS = 60_000
LAST_ROW = "ol.virtual li:last-child:not(.absent)"
SIGN_IN = """
from django.contrib.auth.models import Group, User
from tasks.access.sign_in import sign_in_link
user = User.objects.create_user("reader", password=None, is_staff=True)
user.groups.add(Group.objects.get(name="viewer"))
print(sign_in_link(user, "{url}"))
"""
# Each frame scrolls on; what it took is between it and the one before.
SCROLL = """async ({pixels, seconds}) => {
    const frame = document.querySelector('.log-scroll');
    frame.scrollTop = frame.scrollHeight / 3;
    const took = [];
    const began = performance.now();
    for (let last = began; last - began < seconds * 1000; ) {
        await new Promise(requestAnimationFrame);
        frame.scrollTop += pixels;
        const now = performance.now();
        took.push(now - last);
        last = now;
    }
    return took.sort((one, other) => one - other);
}"""
# From the input, as the browser versions it, to the frame that shows what came of it.
LISTEN = """() => {
    window.answers = [];
    document.addEventListener('click', ({timeStamp}) => {
        const {port1, port2} = new MessageChannel();
        port1.onmessage = () => window.answers.push(performance.now() - timeStamp);
        requestAnimationFrame(() => port2.postMessage(0));
    });
}"""


@dataclass(frozen=True)
class Sizes:
    lines: int
    openings: int
    scroll_seconds: int
    clicks: int


FULL = Sizes(lines=1_000_000, openings=5, scroll_seconds=5, clicks=50)
QUICK = Sizes(lines=50_000, openings=2, scroll_seconds=2, clicks=10)


@dataclass
class Measured:
    what: str
    unit: str
    goal: str
    values: list[float]
    shown: str


class Bench:
    def __init__(self, browser: Browser, product: Product, sizes: Sizes) -> None:
        self.browser, self.product, self.sizes = browser, product, sizes
        self.url = f"http://127.0.0.1:{product.port}"
        self.state = self.sign_in()
        self.measured: list[Measured] = []
        self.pages: dict[str, Opened] = {}

    def sign_in(self) -> Any:
        manage = [sys.executable, str(ROOT / "manage.py"), "shell", "-v0", "-c"]
        code = SIGN_IN.format(url=self.url)
        link = subprocess.run(
            [*manage, code], env=self.product.env, capture_output=True, check=True
        )
        context = self.browser.new_context()
        context.new_page().goto(link.stdout.decode().split()[-1])
        state = context.storage_state()
        context.close()
        return state

    @contextmanager
    def context(self) -> Iterator[BrowserContext]:
        """A browser that has been here never before, but is signed in."""
        context = self.browser.new_context(base_url=self.url, storage_state=self.state)
        context.set_default_timeout(PATIENCE_MS)
        yield context
        context.close()

    def note(
        self,
        what: str,
        unit: str,
        goal: str,
        values: list[float],
        of: Callable[[list[float]], float] = median,
    ) -> None:
        shown = f"{of(values):,.3g}" if of(values) < 1000 else f"{of(values):,.0f}"
        self.measured.append(Measured(what, unit, goal, values, shown))
        say(f"{what}: {shown} {unit}")

    # --- Rows -----------------------------------------------------------------------

    def run(self) -> None:
        say("printing the log that is opened")
        ended = self.product.create(self.sizes.lines)
        self.product.wait_for(ended, 600)
        other = self.product.create(100)
        self.product.wait_for(other, 600)
        self.open_pages(ended, other)
        self.open(ended)
        self.scroll(ended)
        self.search(ended)
        self.live()

    def open_pages(self, task_id: str, other: str) -> None:
        """Each of the five, quickly and over a slow line."""
        task_tools, tools = "[data-part=finder]", "[data-theme-switch]"
        for name, path in (
            ("Now", "/"),
            ("Releases", "/releases"),
            ("History", "/history"),
            ("Compare", f"/compare?a={task_id}&b={other}"),
            ("Task", f"/tasks/{task_id}"),
        ):
            shown_last = task_tools if name == "Task" else tools
            self.pages[name] = opened(self.context, path, shown_last)
            say(f"{name}: {self.pages[name]}")
        size = self.pages["Task"].bytes / 1e3
        self.note("page over the wire, without the log", "KB", "≤ 150", [size])

    def open(self, task_id: str) -> None:
        """Until the newest line can be read and the script holds the log."""
        seconds = []
        for _ in range(self.sizes.openings):
            with self.context() as context:
                page = context.new_page()
                page.goto("about:blank")
                began = time.perf_counter()
                page.goto(f"/tasks/{task_id}", wait_until="commit")
                page.locator(LAST_ROW).wait_for()
                seconds.append(time.perf_counter() - began)
        self.note("open, empty cache: median", "s", "≤ 1", seconds)
        self.note("the slowest", "s", "", seconds, max)

    def scroll(self, task_id: str) -> None:
        with self.context() as context:
            page = context.new_page()
            page.goto(f"/tasks/{task_id}")
            page.locator(LAST_ROW).wait_for()
            for name, pixels in (
                ("scroll, 60 px a frame", 60),
                ("scroll, 1,000 px a frame", 1000),
                ("drag the bar, 20,000 px a frame", 20_000),
            ):
                asked = {"pixels": pixels, "seconds": self.sizes.scroll_seconds}
                took: list[float] = page.evaluate(SCROLL, asked)
                rate = len(took) / (sum(took) / 1000)
                self.note(name, "frames/s", "≥ 50", [rate])
                late = [took[int(len(took) * 0.99)]]
                self.note("… 99 % of the frames within", "ms", "", late)

    def search(self, task_id: str) -> None:
        """Until the count of the whole log is there."""
        for name, words, goal in (
            ("one line", "line 0031415 ", "≤ 1"),
            ("every line", "copying", ""),
        ):
            seconds = []
            for _ in range(self.sizes.openings):
                with self.context() as context:
                    page = context.new_page()
                    page.goto(f"/tasks/{task_id}")
                    page.locator(LAST_ROW).wait_for()
                    began = time.perf_counter()
                    page.get_by_role("searchbox").fill(words)
                    page.wait_for_function(
                        "() => / of [0-9,]+$/.test("
                        "document.querySelector('[data-part=found]').textContent)"
                    )
                    seconds.append(time.perf_counter() - began)
            self.note(f"search the whole log, {name} found", "s", goal, seconds)

    def live(self) -> None:
        """A task that prints 5,000 lines a second is followed to its end."""
        say("following a live log")
        with self.context() as context:
            page = context.new_page()
            task_id = self.product.create(self.sizes.lines, EVERY_MICROSECONDS)
            page.goto(f"/tasks/{task_id}")
            page.wait_for_function(
                "() => document.querySelector('ol.virtual #L20000')"
                " || document.querySelector('ol.virtual li:last-child')"
                "?.id.slice(1) > 20000"
            )
            self.click(page)
            ended = page.locator("[data-task][data-status=completed]")
            ended.wait_for(timeout=1000 * self.sizes.lines)
            self.remember(context, page)

    def click(self, page: Page) -> None:
        page.evaluate(LISTEN)
        wrap = page.get_by_role("button", name="Wrap")
        for count in range(1, self.sizes.clicks + 1):
            wrap.click()
            page.wait_for_function("count => window.answers.length >= count", arg=count)
        took: list[float] = page.evaluate("window.answers")
        self.note(
            "live, 5,000 lines/s: a click is answered within, median", "ms", "", took
        )
        self.note("… at most", "ms", "≤ 100", took, max)

    def remember(self, context: BrowserContext, page: Page) -> None:
        """What the tab holds, after a collection."""
        tools = context.new_cdp_session(page)
        tools.send("HeapProfiler.collectGarbage")
        heap = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
        private = max(process.memory_full_info().uss for process in renderers()) / 1e6
        lines = f"{self.sizes.lines:,} live lines"
        self.note(f"memory of the tab after {lines}", "MB", "≤ 150", [private])
        self.note("… of it JavaScript's heap", "MB", "", [heap])


def renderers() -> Iterator[psutil.Process]:
    for process in psutil.Process().children(recursive=True):
        if "--type=renderer" in " ".join(process.cmdline()):
            yield process


def table(measured: list[Measured]) -> str:
    lines = [["", "", "goal", "measured"], ["---", "---", "---:", "---:"]]
    lines += [[one.what, one.unit, one.goal, one.shown] for one in measured]
    return markdown(lines)


def table_of_pages(pages: dict[str, Opened]) -> str:
    lines = [
        ["", "requests", "KB", "LCP ms", "CLS", "INP ms", "slow: heading s", "tools s"],
        ["goal", "", "≤ 150", "", "0", "≤ 100", "≤ 1", "≤ 2.5"],
    ]
    for name, one in pages.items():
        slow = [one.slow_heading / 1e3, one.slow_tools / 1e3]
        paints = [f"{one.lcp:.0f}", f"{one.cls:.3g}", f"{one.inp:.0f}"]
        size = [str(one.requests), f"{one.bytes / 1e3:.0f}"]
        lines.append([name, *size, *paints, *(f"{each:.2f}" for each in slow)])
    return markdown([lines[0], ["---", *["---:"] * 7], *lines[1:]])


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small numbers")
    parser.add_argument("--database", default=os.environ.get("TEST_DATABASE_URL", ""))
    asked = parser.parse_args()
    end_in_order_on_signals()
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if not program:
        sys.exit("There is no chromium.")
    sizes = QUICK if asked.quick else FULL
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        browser = playwright.chromium.launch(
            executable_path=program, args=ARGUMENTS.split()
        )
        product = Product(folder, built(folder, "emit"), asked.database)
        with product:
            bench = Bench(browser, product, sizes)
            bench.run()
        facts = {**environment(asked.database), "chromium": browser.version}
        browser.close()
    print(f"{table(bench.measured)}\n\n{table_of_pages(bench.pages)}")
    told = {
        "environment": facts,
        "sizes": asdict(sizes),
        "runs": [asdict(one) for one in bench.measured],
        "pages": {name: asdict(one) for name, one in bench.pages.items()},
    }
    print(f"\n{json.dumps(told)}")


if __name__ == "__main__":
    main()
