"""Record the moving pictures of the READMEs: a release, from its form to live.

    .venv/bin/python docs/images/record.py

The product runs on data of its own, which is gone afterwards; what it does is filmed in
Chromium, once for each language.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from tests.e2e.conftest import CHROMIUM_ARGUMENTS, Service  # noqa: E402

FILMS = {"release.webp": "en-US", "release.zh-CN.webp": "zh-CN"}
SIZE = {"width": 1200, "height": 750}
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


def record(browser: Browser, name: str, locale: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        types = str(ROOT / "task_types.toml")
        service = Service(Path(folder), "", TASK_TYPES_FILE=types)
        service.prepare()
        demo = [sys.executable, "-m", "resources", "demo"]
        subprocess.run(demo, cwd=ROOT, env=service.env, check=True)
        try:
            service.run()
            service.wait_for(service.create("full-sync", version="v884"))
            service.wait_for(service.create("check-integrity", version="v885"))
            film_release(browser, service, locale).save(HERE / name)
        finally:
            service.stop()


def main() -> None:
    program = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=CHROMIUM_ARGUMENTS.split()
        )
        for name, locale in FILMS.items():
            record(browser, name, locale)


if __name__ == "__main__":
    main()
