"""Record the pictures of the READMEs: pages, and a release from its form to live.

    .venv/bin/python docs/images/record.py [pages] [films]

The product runs on data of its own, which is gone afterwards; its pages are taken in
Chromium, and a release is filmed once for each language. A film says how long things
took, so the machine has to be quiet.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from tests.e2e.conftest import (  # noqa: E402
    CHROMIUM_ARGUMENTS,
    PATIENCE_MS,
    Service,
)

FILMS = {"release.webp": "en-US", "release.zh-CN.webp": "zh-CN"}
SIZE = {"width": 1200, "height": 750}
SIZE_OF_PAGES = {"width": 1280, "height": 900}
# A studio's own task: one that is under way while a picture is taken.
PACKING = """
[pack-atlases]
title = {en = "Pack atlases", zh-hans = "打包图集"}
group = {en = "Release", zh-hans = "发布"}
lock = "publish"
[pack-atlases.params.version]
pattern = "v[0-9]+"
[[pack-atlases.steps]]
name = "Trim sprites"
command = ["{python}", "-c", "print('4,310 sprites, 212 trimmed')", "{version}"]
[[pack-atlases.steps]]
name = "Pack"
command = ["{python}", "-uc", '''
import time
for percent in range(100):
    print("::progress::%d" % percent)
    time.sleep(0.5)
''']
[[pack-atlases.steps]]
name = "Write atlases"
command = ["{python}", "-c", "print('36 atlases')"]
"""
# Screenshots have no pointer, and without one nobody sees what was clicked.
POINTER = """
  document.addEventListener("DOMContentLoaded", () => {
    const pointer = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    pointer.innerHTML = `<path d="M1 1v17l4.5-4 3 7 3-1.3-3-6.7h6z"
      fill="#171b20" stroke="#fff" stroke-width="1.5"/>`;
    Object.assign(pointer.style, { position: "fixed", width: "20px", height: "24px",
      left: "-99px", top: 0, zIndex: 99, pointerEvents: "none" });
    document.documentElement.append(pointer);
    addEventListener("mousemove", ({ clientX, clientY }) => {
      Object.assign(pointer.style, { left: `${clientX}px`, top: `${clientY}px` });
    });
  });
"""


class Film:
    """Pictures of a page, each with the milliseconds for which it stands."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.pictures: list[tuple[bytes, int]] = []
        self.at = (700.0, 500.0)

    def show(self, milliseconds: int) -> None:
        self.pictures.append((self.page.screenshot(), milliseconds))

    def show_until(self, is_over: Callable[[], bool]) -> None:
        """Take pictures as fast as that goes, each for as long as it was true."""
        while not is_over():
            began = time.monotonic()
            picture = self.page.screenshot()
            self.pictures.append((picture, round((time.monotonic() - began) * 1000)))

    def click(self, place: Locator) -> None:
        """Move the pointer there, and press."""
        box = place.bounding_box()
        to = (box["x"] + min(box["width"] / 2, 90), box["y"] + box["height"] / 2)
        for share in (0.2, 0.5, 0.8, 0.95, 1):
            x, y = (
                begin + (end - begin) * share
                for begin, end in zip(self.at, to, strict=True)
            )
            self.page.mouse.move(x, y)
            self.show(50)
        self.at = to
        self.show(350)
        self.page.mouse.click(*to)

    def save(self, path: Path) -> None:
        pictures = [Image.open(BytesIO(picture)) for picture, _ in self.pictures]
        pictures[0].save(
            path,
            save_all=True,
            append_images=pictures[1:],
            duration=[milliseconds for _, milliseconds in self.pictures],
            loop=0,
            lossless=True,
            quality=90,
            method=4,
            minimize_size=True,
        )


def film_release(browser: Browser, service: Service, locale: str) -> Film:
    context = browser.new_context(
        base_url=service.url, locale=locale, color_scheme="light", viewport=SIZE
    )
    context.add_init_script(POINTER)
    page = context.new_page()
    page.goto(service.sign_in_link())
    expect(page.locator("[data-part=connection]")).to_have_attribute(
        "data-state", "live"
    )
    film = Film(page)
    film.show(1200)

    film.click(page.locator(".types a[href*=full-sync]"))
    form = page.locator("form[data-launch=full-sync]")
    expect(form).to_be_visible()
    film.show(500)
    version = form.locator("[name=version]")
    for letter in "v885":
        version.press_sequentially(letter)
        film.show(120)
    expect(form.locator(".plan [data-state=ok]").first).to_be_visible()
    form.locator("button.act").scroll_into_view_if_needed()
    film.show(1800)

    film.click(form.locator("button.act"))
    task = page.locator("[data-task]")
    expect(task).to_be_visible()
    film.show_until(lambda: task.get_attribute("data-status") == "completed")
    expect(page.locator(".task-result")).to_be_visible()
    film.show(1500)

    film.click(page.locator(".top nav a").first)
    expect(page.locator(".cell .version").first).to_have_text("v885")
    film.show(2500)
    context.close()
    return film


def take_pages(browser: Browser, service: Service) -> None:
    """v885 was live and was taken back; now testers have it, and some players."""

    def done(kind: str, **params: str) -> str:
        task_id = service.create(kind, **params)
        service.wait_for(task_id)
        return task_id

    released = done("full-sync", version="v885")
    done("rollback", version="v884")
    done("sync-native", version="v885", channel="beta")
    done("rollout", version="v885", percent="5", platforms="ios,android")
    done("rollout", version="v885", percent="2", platforms="ios,android")  # is less
    context = browser.new_context(
        base_url=service.url,
        locale="en-US",
        color_scheme="light",
        viewport=SIZE_OF_PAGES,
    )
    page = context.new_page()
    page.goto(service.sign_in_link())
    live = page.locator("[data-part=connection]")
    expect(live).to_have_attribute("data-state", "live")
    packing = service.create("pack-atlases", version="v886")
    row = page.locator(f"[data-row='{packing}']")
    expect(row).to_contain_text("Step 2 of 3")
    waiting = [
        service.create(kind, version="v885") for kind in ("promote", "full-sync")
    ]
    expect(page.locator("details.queue")).to_contain_text("2 queued")
    page.screenshot(path=HERE / "console.png")
    for task_id in (*reversed(waiting), packing):
        service.request("POST", f"/api/tasks/{task_id}/cancel")

    page.goto(f"/tasks/{released}")
    expect(page.locator("[data-part=seal]")).to_be_visible()
    page.screenshot(path=HERE / "task.png")

    compared = "/releases?platform=ios&from=v884&to=v885"
    page.goto(compared)
    expect(page.locator(".changes")).to_be_visible()
    expect(live).to_have_attribute("data-state", "live")
    page.screenshot(path=HERE / "releases.png")

    page.goto("/admin/tasks/auditevent/")
    page.screenshot(path=HERE / "admin.png")
    context.close()


@contextmanager
def product() -> Iterator[Service]:
    """One that has published v884, and has v885 in its source."""
    with tempfile.TemporaryDirectory() as folder:
        types = Path(folder, "types.toml")
        types.write_text((ROOT / "task_types.toml").read_text() + PACKING)
        service = Service(Path(folder), "", TASK_TYPES_FILE=str(types))
        service.prepare()
        demo = [sys.executable, "-m", "resources", "demo"]
        subprocess.run(demo, cwd=ROOT, env=service.env, check=True)
        try:
            service.run()
            service.wait_for(service.create("full-sync", version="v884"))
            service.wait_for(service.create("check-integrity", version="v885"))
            yield service
        finally:
            service.stop()


def main() -> None:
    wanted = sys.argv[1:] or ["pages", "films"]
    if unknown := set(wanted) - {"pages", "films"}:
        sys.exit(f"{', '.join(unknown)}: expected pages, films, or nothing for both")
    expect.set_options(timeout=PATIENCE_MS)
    program = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=CHROMIUM_ARGUMENTS.split()
        )
        if "pages" in wanted:
            with product() as service:
                take_pages(browser, service)
        if "films" in wanted:
            for name, locale in FILMS.items():
                with product() as service:
                    film_release(browser, service, locale).save(HERE / name)


if __name__ == "__main__":
    main()
