"""What browsers keep: every file of a page under a name that changes with it."""

import re
from urllib.parse import urljoin

import pytest
import requests

from .conftest import ROOT

pytestmark = pytest.mark.e2e

IN_PAGES = re.compile(r'(?:src|href)="(/static/[^"]+)"')
# Either of: import … from "./x.js"; export … from "./x.js"; import "./x.js"; import(…)
IMPORTED = re.compile(r"""(?:\bfrom|\bimport)\s*\(?\s*["']([^"']+)["']""")
HASHED = re.compile(r"\.[0-9a-f]{12}\.\w+$")
PAGES = (
    "/",
    "/releases",
    "/history",
    "/compare",
    "/compare?a={task}&b={other}",
    "/tasks/{task}",
    "/tasks/{task}/export",
    "/admin/tasks/task/{task}/change/",
)

# What only a failed request's page loads; the tests of outages open that page.
OF_FAILURES = {"js/failure_page.js"}


@pytest.fixture(scope="module")
def files(service):
    """Every file of our pages, with the modules that they import: URL → answer."""
    task_id, other = service.create("say"), service.create("say")
    for each in (task_id, other):
        service.wait_for(each)
    staff = requests.Session()
    staff.get(service.sign_in_link())
    found, wanted = {}, []
    for page in PAGES:
        answer = staff.get(service.url + page.format(task=task_id, other=other))
        assert answer.status_code == 200, page
        wanted += [urljoin(service.url, path) for path in IN_PAGES.findall(answer.text)]
    while wanted:
        url = wanted.pop()
        if url in found:
            continue
        found[url] = staff.get(url)
        if url.endswith(".js"):
            imported = IMPORTED.findall(found[url].text)
            wanted += [urljoin(url, path) for path in imported if path[0] == "."]
    return found


def test_all_of_our_modules_are_among_those_that_pages_load(files):
    ours = {
        path.relative_to(ROOT / "static").as_posix()
        for path in (ROOT / "static" / "js").rglob("*.js")
    }
    names = {re.sub(r"\.[0-9a-f]{12}(?=\.js$)", "", url) for url in files}
    missing = {name for name in ours if not any(url.endswith(name) for url in names)}
    assert missing == OF_FAILURES


def test_every_file_has_a_name_of_its_own_and_is_kept(files):
    assert len(files) > 40
    for url, answer in files.items():
        assert answer.status_code == 200, url
        assert HASHED.search(url), url
        kept = re.search(r"max-age=(\d+)", answer.headers["Cache-Control"])
        assert int(kept[1]) > 365 * 24 * 3600, url
