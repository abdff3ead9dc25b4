"""An export in a real browser, opened as a file, without the service."""

import hashlib
import re

import pytest
from playwright.sync_api import expect

from tasks.presenters.export.pictures import pictured

from .conftest import PATIENCE_MS, watched

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
HOSTILE = (
    "</pre></main><script>document.title = 'taken over'</script>\n"
    "<!-- <b>&amp; ␛ U+202E -->\n"
    "\x1b[31mred\x1b[0m \x1b]0;U+202E\x07 \x07 \x0b \x7f nul \0\n"
    "\u2028 \u2029 \u202eturned \ufeff \x85 \uffff 世界 🎮\n"
    "one\rtwo\n\n\ttab  \n"
)
SAME = "equal to the digest that the server recorded"


@pytest.fixture(scope="module")
def task_id(service):
    task_id = service.create("count", n="5")
    service.wait_for(task_id)
    return task_id


def export_of(service, task_id):
    answer = service.request("GET", f"/api/tasks/{task_id}/export.html")
    assert answer.status_code == 200, answer.text
    return answer.content.decode()


@pytest.fixture(scope="module")
def export(service, task_id):
    """The file as it was exported."""
    return export_of(service, task_id)


@pytest.fixture
def open_file(chromium, tmp_path):
    """Opens a text as an HTML file where there is no network; nothing of it may be
    refused, or ask for anything."""
    contexts, errors, asked = [], [], []

    def make(text, **options):
        path = tmp_path / f"export-{len(contexts)}.html"
        path.write_bytes(text.encode())
        context = chromium.new_context(offline=True, **options)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        return page

    yield make
    for context in contexts:
        context.close()
    assert not errors
    assert all(url.startswith("file:") for url in asked)
    assert len(asked) == len(contexts)


def verdict(page):
    return page.locator("#verdict")


def expect_verdict(page, state, words):
    expect(verdict(page)).to_have_attribute("data-state", state)
    expect(verdict(page).locator("p").first).to_contain_text(words)


# --- As it was written --------------------------------------------------------------


def test_a_file_checks_itself_without_the_service(open_file, export):
    page = open_file(export)
    expect_verdict(page, "same", f"✓ 7 lines, {SAME}")
    expect(page.locator("#log")).to_contain_text("stdout   5")


def test_it_does_so_whatever_a_program_printed(service, open_file):
    (service.data_dir / "hostile").write_text(HOSTILE, encoding="utf-8", newline="")
    task_id = service.create("show", name="hostile")
    service.wait_for(task_id)
    page = open_file(export_of(service, task_id))
    expect_verdict(page, "same", SAME)
    expect(page).to_have_title(re.compile("^✓ "))
    expect(page.locator("#log")).to_contain_text("</pre></main><script>document")
    assert page.locator("script").count() == 1


def test_what_was_pictured_is_read_back_as_it_was(open_file, export):
    every = "".join(map(chr, range(0x180)))
    messages = [HOSTILE, every, "\0n\0z\n␊␀", "\u061c\u200e\u202e\u2066\ufeff\uffff"]
    rows = "".join(f"12  {pictured(message)}\n" for message in messages)
    page = open_file(export)
    read = """([html, columns]) => {
        const block = document.createElement("pre");
        block.innerHTML = html;
        return messagesOf(block, columns);
    }"""
    found = page.evaluate(read, [rows, 4])
    assert found == "".join(f"{message}\n" for message in messages)


def test_it_is_in_the_language_of_the_reader(service, open_file, task_id):
    path = f"/api/tasks/{task_id}/export.html"
    chinese = {"Accept-Language": "zh-CN"}
    text = service.request("GET", path, headers=chinese).content.decode()
    page = open_file(text)
    expect(verdict(page)).to_have_attribute("data-state", "same")
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")


def test_without_scripts_it_is_read_and_claims_nothing(open_file, export):
    page = open_file(export, java_script_enabled=False)
    expect_verdict(page, "unchecked", "Not checked: ")
    expect(page.locator("#log")).to_contain_text("stdout   5")


@pytest.mark.parametrize("width", [390, 1366])
def test_nothing_is_wider_than_the_screen(open_file, export, width):
    page = open_file(export, viewport={"width": width, "height": 800})
    expect_verdict(page, "same", SAME)
    wide = "document.documentElement.scrollWidth - innerWidth"
    assert page.evaluate(wide) <= 0


# --- Changed ------------------------------------------------------------------------

ROW = r" *\d+  [\d:.]+  stdout   "
CHANGES = {
    "a character": ("lines", f"({ROW})3\n", r"\g<1>8\n"),
    "a removed line": ("lines", f"{ROW}3\n", ""),
    "a swapped line": ("lines", f"({ROW})3\n({ROW})4\n", r"\g<1>4\n\g<2>3\n"),
    "an added line": ("lines", f"({ROW}3\n)", r"\1\1"),
    "the last line feed": ("lines", r"\n(</\w>)?</pre>", r"\1</pre>"),
    "a time": ("record", r"(\d\d:\d\d:\d\d)\.\d+  stdout", r"\1.xxx  stdout"),
    "a level": ("record", "stdout   3\n", "stderr   3\n"),
    "a number": ("record", r"\d(  [\d:.]+  stdout   3\n)", r"9\1"),
    "a fact": ("record", r"✓ completed", "✕ failed"),
    "an audit row": ("record", r">task started<", ">task cancelled<"),
    "a word between": ("record", "</section>", "Approved.</section>"),
    "the log's digest": ("lines", r'(log-digest">)\w{4}', r"\g<1>0123"),
    "the other digest": ("record", r'(record-digest">)\w{4}', r"\g<1>0123"),
    "no digest of the log": ("unrecorded", r'(log-digest">)\w+', r"\1–"),
    "the end": ("incomplete", r"(?s)<footer>.*", ""),
    "an unseen element": ("record", "</h1>", "</h1><p hidden>x</p>"),
    "half a row": ("incomplete", r"(?s)stdout   3\n.*", "std"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_found(open_file, export, change):
    state, old, new = CHANGES[change]
    changed, count = re.subn(old, new, export, count=1)
    assert count == 1
    assert changed != export
    page = open_file(changed)
    words = {
        "unrecorded": "? Not verified: ",
        "incomplete": "✕ This file is incomplete",
    }
    expect_verdict(page, state, words.get(state, "✕ This file was changed: "))
    expect(verdict(page)).not_to_contain_text("✓")


# --- Whether the server wrote it ----------------------------------------------------


WROTE = "✓ This server wrote that file"
DID_NOT = "✕ This server did not write that file"


def test_the_server_knows_what_it_wrote_to_the_last_byte(
    open_file, open_page, service, export, tmp_path
):
    address = verdict(open_file(export)).get_by_role("link").get_attribute("href")
    page = open_page(address.removeprefix(service.url))

    def check(text):
        (tmp_path / "chosen.html").write_bytes(text.encode())
        page.get_by_label("The exported file").set_input_files(tmp_path / "chosen.html")

    heading = page.locator("h1")
    check(export)
    expect(heading).to_have_text(WROTE)
    # What is seen is something else than what has the digests.
    check(export.replace("<main>", "<p>All is well</p><main hidden>"))
    expect(heading).to_have_text(DID_NOT)
    check(export)
    expect(heading).to_have_text(WROTE)
    check(f"{export[:-70]}!{export[-70:]}")
    expect(heading).to_have_text(DID_NOT)


@pytest.mark.parametrize("text", ["", "<main>Something else</main>", "cut"])
def test_what_is_no_export_is_said_to_be_none(
    open_page, task_id, export, tmp_path, text
):
    (tmp_path / "chosen.html").write_text(export[:-1] if text == "cut" else text)
    page = open_page(f"/tasks/{task_id}/export")
    field = page.get_by_label("The exported file")
    field.set_input_files(tmp_path / "chosen.html")
    expect(page.locator("input:invalid")).to_have_count(1)
    said = field.evaluate("field => field.validationMessage")
    assert said.startswith("This is not an export of a task")


# --- Its own SHA-256 ----------------------------------------------------------------

COUNT = """sizes => sizes.map(size => {
    const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 7 + size) % 256);
    const whole = new Sha256();
    whole.update(bytes);
    const parts = new Sha256();
    for (let at = 0; at < size; at += 13) parts.update(bytes.subarray(at, at + 13));
    return [whole.hex(), parts.hex()];
})"""


def test_its_digests_are_those_of_fips_180_4(open_file, export):
    page = open_file(export)
    count = "text => { const d = new Sha256(); d.update(new TextEncoder().encode(text)); return d.hex(); }"  # noqa: E501
    for text in (
        *("", "abc", "世界", "a" * 1_000_000),
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
    ):
        assert page.evaluate(count, text) == hashlib.sha256(text.encode()).hexdigest()
    sizes = [*range(140), 1000, 4095, 65536]
    for size, digests in zip(sizes, page.evaluate(COUNT, sizes), strict=True):
        data = bytes((i * 7 + size) % 256 for i in range(size))
        assert digests == [hashlib.sha256(data).hexdigest()] * 2, size


# --- On the task's page -------------------------------------------------------------


def test_a_task_is_exported_from_its_page_once_it_has_ended(
    open_page, open_file, service, tmp_path
):
    task_id = service.create("slowly", n="9999")
    service.wait_for(task_id, "running")
    page = open_page(f"/tasks/{task_id}")
    link = page.get_by_role("link", name="Export", exact=True)
    expect(link).to_be_hidden()
    service.request("POST", f"/api/tasks/{task_id}/cancel", json={"force": True})
    expect(watched(page)).to_have_attribute("data-status", "cancelled")
    with page.expect_download() as download:
        link.click()
    name = download.value.suggested_filename
    assert re.fullmatch(rf"slowly-\d{{4}}-\d\d-\d\d-{task_id[:8]}\.html", name)
    download.value.save_as(tmp_path / name)
    file = open_file((tmp_path / name).read_bytes().decode())
    expect_verdict(file, "same", SAME)
    expect(file.locator("main")).to_contain_text("Cancelled by")
