"""The export of a task: one HTML page, written piece by piece."""

import base64
import hashlib
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from tasks.models import Task, step_starts
from tasks.presenters.export.lines import Rows, blocks
from tasks.presenters.export.pictures import pictured, text_of
from tasks.presenters.export.record import moment_text, tables
from tasks.presenters.export.signature import signature
from tasks.presenters.task import Shown

# Where the template leaves room; nothing that is pictured holds this character.
ROOM = "\0"
# Behind the page stands the signature of each byte before it; export_page.js reads it.
SIGNED = "<!-- signed: {} -->\n"


class Inlined(NamedTuple):
    """A page's own style and script as elements, and the policy that allows these
    alone, also where the page is a file."""

    style: SafeString
    script: SafeString
    policy: str


@cache
def inlined() -> Inlined:
    sheets = ("static/css/tokens.css", "templates/export/export.css")
    style = "".join(_read(sheet) for sheet in sheets)
    # The first is a module of pages, too.
    scripts = ("static/js/digest.js", "templates/export/verify.js")
    script = "".join(_read(name).replace("\nexport ", "\n") for name in scripts)
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    return Inlined(
        SafeString(f"<style>{style}</style>"),  # ours, and nothing else
        SafeString(f"<script>{script}</script>"),
        policy,
    )


def _read(name: str) -> str:
    return (settings.BASE_DIR / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def export_of(task: Task, by: str, base_url: str, *, with_trail: bool) -> Iterator[str]:
    """Return the pieces of a task's export, in the language of this thread; ``by``
    whom it is made goes into it.

    All but the lines is written at once, and no more than a block of these is held.
    """
    page = _page(task, by, base_url, with_trail=with_trail)
    head, behind_lines, behind_digest = page.split(ROOM)
    log = blocks(task, Rows(task), _headings(task), _heading)
    pieces = _with_digest(log, head, behind_lines, behind_digest)
    return _with_signature(task, pieces)


def _with_digest(
    log: Iterator[str], head: str, behind_lines: str, behind_digest: str
) -> Iterator[str]:
    """Put the lines, and the digest of all text of ``<main>``, into their room."""
    record = hashlib.sha256(text_of(head.partition("<main>")[2]).encode())
    yield head
    for block in log:
        record.update(text_of(block).encode())
        yield block
    record.update(text_of(behind_lines.partition("</main>")[0]).encode())
    yield f"{behind_lines}{record.hexdigest()}{behind_digest}"


def _with_signature(task: Task, pieces: Iterator[str]) -> Iterator[str]:
    whole = hashlib.sha256()
    for piece in pieces:
        whole.update(piece.encode())
        yield piece
    yield SIGNED.format(signature(task.pk, whole.hexdigest()))


def _page(task: Task, by: str, base_url: str, *, with_trail: bool) -> str:
    shown = Shown(task, timezone.now())
    title = SafeString(pictured(shown.name))
    context = {
        "shown": shown,
        "title": title,
        "tab_title": text_of(title),
        "line_count": f"{task.last_seq:,}",
        "tables": tables(shown, with_trail=with_trail),
        "columns": Rows(task).columns,
        "room": SafeString(ROOM),
        "check_url": base_url + reverse("task-export", args=[task.pk]),
        "task_url": base_url + reverse("task", args=[task.pk]),
        "exported_at": moment_text(shown.now),
        "by": SafeString(pictured(by)),
        "product": settings.VERSION,
        **inlined()._asdict(),
    }
    return render_to_string("export/page.html", context)


def _headings(task: Task) -> dict[int, str]:
    """Return what stands above the first line of each step, and of each attempt of
    one."""
    names = [name for _name, name in Shown(task, timezone.now()).step_names]
    found: dict[int, str] = {}
    for number, seq in step_starts(task.trail):
        name = names[number - 1] if 0 < number <= len(names) else ""
        said = _("Step {k} of {n}: {name}")
        found[seq] = said.format(k=number, n=task.step_count, name=name)
    return found


def _heading(text: str) -> str:
    return format_html("<h3>{}</h3>\n", SafeString(pictured(text)))
