"""The scripts that walk the documents find there what they walk. They take minutes and
root; this takes neither, and notices a heading that was renamed."""

import re

from .pages import HOW_TO, ROOT, prose

SCRIPTS = ROOT / "deploy/systemd"
WALKED = re.compile(
    r'^guide=(?:docs/how-to/(\S+))|\b(?:walk|as_printed) "([^"$]+)"', re.M
)


def walked(script):
    """Yield each page and heading that a script takes commands from."""
    page = "production.md"
    for found in WALKED.finditer((SCRIPTS / script).read_text()):
        page = found[1] or page
        if found[2]:
            yield page, found[2]


def has_commands(page, heading):
    """Whether a block for a shell stands under a heading, before the next one."""
    text = (HOW_TO / page).read_text()
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", text, re.M | re.S)
    # A line of code may begin with # as well: what counts is the first block.
    return bool(found) and "\n```sh\n" in found[1]


def test_every_heading_that_is_walked_has_commands():
    headings = [*walked("walk.sh"), *walked("try.sh")]
    assert len(headings) > 15, "the pattern no longer finds what is walked"
    assert [one for one in headings if not has_commands(*one)] == []


def test_all_of_the_way_to_https_is_walked():
    page = prose((HOW_TO / "production.md").read_text())
    way = page.split("\n## From nothing to https\n")[1].split("\n## ")[0]
    steps = re.findall(r"^### (.+)", way, re.MULTILINE)
    assert steps
    done = [heading for name, heading in walked("walk.sh") if name == "production.md"]
    assert set(steps) - set(done) == set()


def test_a_heading_that_is_not_there_is_noticed():
    assert has_commands("production.md", "Install")
    assert not has_commands("production.md", "Installation")
    assert not has_commands("production.md", "What the units do")
