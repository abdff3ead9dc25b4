"""What troubleshooting quotes is what the product says, in both languages."""

import ast
import gettext
import re
from functools import cache

import pytest

from .pages import ROOT, chinese, english, tables

ROOMS = ("resource_sync", "streaming", "tasks", "resources")
CATALOG = ROOT / "locale/zh_Hans/LC_MESSAGES/django.mo"
HEADINGS = {"It says", "提示"}  # of the columns that quote
GAP = "\0"  # where a value stands
PLACEHOLDER = re.compile(r"%\(\w+\)s|%s|\{[a-z_]*\}")
# A finding is its kind in capitals, a path, and why.
FINDING = re.compile(r"([A-Z]{4,})(?: [^:]*)?(?:: (.+))?")


def literals(tree):
    """Yield each text of a module: those of an f-string as one, with gaps."""
    inner = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inner.update(map(id, node.values))
            yield "".join(
                part.value if isinstance(part, ast.Constant) else GAP
                for part in node.values
            )
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in inner
        ):
            yield node.value


@cache
def said():
    """Return every text that the product may print, with gaps for values."""
    found = []
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            found += literals(ast.parse(path.read_text()))
    site = (ROOT / "deploy/nginx/resource-sync.conf").read_text()
    found += re.findall(r'"detail": "([^"]+)"', site)
    with CATALOG.open("rb") as file:
        found += map(str, gettext.GNUTranslations(file)._catalog.values())
    return [PLACEHOLDER.sub(GAP, text) for text in found]


def is_said(quoted):
    """Whether a text has all of a quotation's words, in order; … stands for a value
    or for what is left out."""
    pieces = [piece for piece in re.split("…", quoted) if piece.strip()]
    return any(all_in_order(pieces, text) for text in said())


def all_in_order(pieces, text):
    at = 0
    for piece in pieces:
        found = text.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def quotations(path):
    """Yield what the page's first columns quote."""
    for table in tables(path.read_text()):
        if table[0][0] in HEADINGS:
            for row in table[2:]:
                yield from re.findall(r"`([^`]+)`", row[0])


def is_known(quoted):
    if is_said(quoted):
        return True
    finding = FINDING.fullmatch(quoted)
    if finding is None or finding[1] not in said():
        return False
    return not finding[2] or is_said(finding[2]) or is_a_code(finding[2])


def is_a_code(reason):
    """Whether a reason is a status, alone or of an ``expected 200, got …``."""
    return bool(re.fullmatch(r"(?:expected 200, )?(?:got )?[0-9]{3}", reason))


# Values that stand for any: a header's, a file's of one's own.
EXAMPLES = {
    '"no-cache"',
    '"public, max-age=31536000, immutable"',
    "task_types.d/studio.toml",
}


@pytest.mark.parametrize("page", [english, chinese])
def test_every_message_quoted_is_one_of_the_product(page):
    quoted = list(quotations(page("troubleshooting")))
    assert len(quoted) > 60, "the pattern no longer finds what is quoted"
    wrong = []
    for one in quoted:
        general = one
        for example in EXAMPLES:
            general = general.replace(example, "…")
        wrong += [] if is_known(general) else [one]
    assert wrong == []


def test_a_message_that_nobody_says_is_noticed():
    assert is_said("Waiting: all runners are busy.")
    assert not is_said("Waiting: all walkers are busy.")
    assert not is_known("STALER current.json: …")


def test_every_reason_of_health_has_its_row():
    """Whoever is woken by it finds it by the words that it uses."""
    source = (ROOT / "tasks/api/health.py").read_text()
    reasons = set(re.findall(r'body\["reason"\] = _\("([^"]+)"\)', source))
    assert len(reasons) > 2, "the pattern no longer finds the reasons"
    quoted = [q.replace("…", GAP) for q in quotations(english("troubleshooting"))]
    there = {PLACEHOLDER.sub(GAP, reason) for reason in reasons}
    assert there - set(quoted) == set()
