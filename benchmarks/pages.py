"""What it takes to open a page: bytes, paints, shifts, answers, and a slow line."""

from dataclasses import dataclass
from typing import Any

from playwright.sync_api import BrowserContext, Page

# 400 kbit/s each way and 400 ms until each answer begins. The same bandwidth as "3G" in
# Chromium's tools (once "Slow 3G"), which waits 2,000 ms for each answer.
SLOW = {
    "offline": False,
    "latency": 400,
    "downloadThroughput": 400_000 / 8,
    "uploadThroughput": 400_000 / 8,
}
# What comes before anything of the page, and is asked in the end.
OBSERVE = """(tools) => {
    const seen = (window.seen = { lcp: 0, cls: 0, inp: 0, tools: 0 });
    const observe = (type, take, more = {}) => new PerformanceObserver(
        (list) => list.getEntries().forEach(take)
    ).observe({ type, buffered: true, ...more });
    observe("largest-contentful-paint", (entry) => { seen.lcp = entry.startTime; });
    observe("layout-shift", ({ hadRecentInput, value }) => {
        if (!hadRecentInput) seen.cls += value;
    });
    observe("event", ({ interactionId, duration }) => {
        if (interactionId) seen.inp = Math.max(seen.inp, duration);
    }, { durationThreshold: 16 });
    new MutationObserver(() => {
        const place = document.querySelector(tools);
        if (place && !place.hidden) seen.tools ||= performance.now();
    }).observe(document, { subtree: true, childList: true, attributes: true });
}"""
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


@dataclass(frozen=True)
class Opened:
    """What one opening with an empty cache came to; times in milliseconds."""

    requests: int
    bytes: float
    lcp: float
    cls: float
    inp: float
    slow_heading: float
    slow_tools: float


def opened(new_context: Any, path: str, tools: str) -> Opened:
    """Open a page quickly and slowly, each as if for the first time; tools: what a
    script shows when it has all in its hands."""
    with new_context() as context:
        page = watched(context, tools)
        sizes = over_the_wire(page, path)
        interact(page)
        seen: dict[str, float] = page.evaluate("window.seen")
    with new_context() as context:
        page = watched(context, tools)
        context.new_cdp_session(page).send("Network.emulateNetworkConditions", SLOW)
        page.goto(path)
        page.wait_for_function("window.seen.tools > 0")
        page.wait_for_function(f"{FIRST_PAINT} > 0")
        heading = page.evaluate(FIRST_PAINT)
        slow_tools = page.evaluate("window.seen.tools")
    return Opened(
        requests=len(sizes),
        bytes=sum(sizes.values()),
        lcp=seen["lcp"],
        cls=seen["cls"],
        inp=seen["inp"],
        slow_heading=heading,
        slow_tools=slow_tools,
    )


def watched(context: BrowserContext, tools: str) -> Page:
    page = context.new_page()
    page.add_init_script(f"({OBSERVE})({tools!r})")
    return page


def over_the_wire(page: Page, path: str) -> dict[str, float]:
    """Return what comes with a page, without what it asks of a log then."""
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    urls: dict[str, str] = {}
    sizes: dict[str, float] = {}

    def responded(event: Any) -> None:
        urls[event["requestId"]] = event["response"]["url"]

    def finished(event: Any) -> None:
        sizes[event["requestId"]] = event["encodedDataLength"]

    network.on("Network.responseReceived", responded)
    network.on("Network.loadingFinished", finished)
    page.goto(path)
    page.wait_for_function("window.seen.tools > 0")
    page.wait_for_timeout(1000)  # a stream is never idle
    return {urls[key]: size for key, size in sizes.items() if "/logs" not in urls[key]}


def interact(page: Page) -> None:
    """The theme, which paints all anew, and a dialog."""
    for _ in range(3):
        page.locator("[data-theme-switch]").click()
    page.keyboard.press("?")
    page.locator("dialog#keys[open]").wait_for()
    page.keyboard.press("Escape")
    page.locator("dialog#keys[open]").wait_for(state="detached")
    # Entries of events come a frame or two after what they tell of.
    page.evaluate("new Promise((done) => setTimeout(done, 300))")
