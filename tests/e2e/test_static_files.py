"""What browsers get and keep: few files for a page, each under a name that changes with
it."""

import re
from urllib.parse import urljoin

import pytest
import requests

from .conftest import ROOT

pytestmark = pytest.mark.e2e

IN_PAGES = re.compile(r'<(?:script|link)\b[^>]*?(?:src|href)="(/static/[^"]+)"[^>]*>')
ASKED_LATER = re.compile(r'\bimport\("(\.[^"]+)"\)')
HASHED = re.compile(r"\.[0-9a-f]{12}\.\w+$")
# Most requests, and most KB over the wire with an empty cache. Lists are as long as the
# tests before made them; half of the admin's is Django's.
BUDGETS = {
    "/": (3, 60),
    "/releases": (3, 40),
    "/history": (3, 50),
    "/compare": (3, 20),
    "/compare?a={task}&b={other}": (3, 25),
    "/tasks/{task}": (3, 75),
    "/tasks/{task}/export": (4, 25),
    "/admin/tasks/task/{task}/change/": (26, 190),
}

SCRIPTS = re.compile(r'<script type="module" src="([^"]+)"')
# What only a failed request's page loads (the tests of outages open that page), and
# what pages have in themselves.
OF_NO_FILE = {"js/failure_page.js", "js/theme.js"}


@pytest.fixture(scope="module")
def staff(service):
    """Whoever is signed in, and the two tasks that pages are of."""
    names = {"task": service.create("say"), "other": service.create("say")}
    for task_id in names.values():
        service.wait_for(task_id)
    session = requests.Session()
    session.get(service.sign_in_link())
    return session, names


@pytest.fixture(scope="module")
def pages(service, staff):
    """What a browser asks for with each page: page → URL → answer, its own first."""
    session, names = staff
    found = {}
    for page in BUDGETS:
        url = service.url + page.format(**names)
        answer = session.get(url)
        assert answer.status_code == 200, page
        found[page] = {url: answer}
        for element in IN_PAGES.finditer(answer.text):
            if " disabled" not in element[0]:
                file = urljoin(url, element[1])
                found[page][file] = session.get(file)
    return found


@pytest.fixture(scope="module")
def files(pages, service, staff):
    """Every file of all pages, with the scripts of the admin and of a shared task, and
    what they ask for later: URL → answer."""
    found = {}
    for answers in pages.values():
        found.update(list(answers.items())[1:])
    task_id = staff[1]["task"]
    link = service.request("POST", f"/api/tasks/{task_id}/share", json={}).json()
    for page in (f"{service.url}/admin/", f"{service.url}/schedules", link["url"]):
        for path in SCRIPTS.findall(staff[0].get(page).text):
            found[urljoin(page, path)] = staff[0].get(urljoin(page, path))
    for url, answer in list(found.items()):
        if url.endswith(".js"):
            for path in ASKED_LATER.findall(answer.text):
                later = urljoin(url, path)
                found[later] = staff[0].get(later)
    return found


def over_the_wire(answer: requests.Response) -> int:
    head = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
    return len(f"HTTP/1.1 200 OK\r\n{head}\r\n") + int(answer.headers["Content-Length"])


@pytest.mark.parametrize("page", BUDGETS)
def test_a_page_keeps_its_budget(pages, page):
    requests_made, kilobytes = BUDGETS[page]
    answers = pages[page]
    sizes = {url: over_the_wire(answer) for url, answer in answers.items()}
    assert len(answers) <= requests_made, list(sizes)
    assert sum(sizes.values()) <= 1000 * kilobytes, sizes


def test_all_of_our_modules_are_among_those_that_pages_load(files):
    ours = {
        path.relative_to(ROOT / "static").as_posix()
        for path in (ROOT / "static" / "js").rglob("*.js")
    }
    loaded = set()
    for url, answer in files.items():
        loaded.update(re.findall(r'\$modules\["([^"]+)"\] \?\?=', answer.text))
        loaded.add(re.sub(r"\.[0-9a-f]{12}(?=\.js$)", "", url.partition("/static/")[2]))
    assert ours - loaded == OF_NO_FILE


def test_every_file_has_a_name_of_its_own_and_is_kept(files):
    assert len(files) > 15
    for url, answer in files.items():
        assert answer.status_code == 200, url
        assert HASHED.search(url), url
        kept = re.search(r"max-age=(\d+)", answer.headers["Cache-Control"])
        assert int(kept[1]) > 365 * 24 * 3600, url
