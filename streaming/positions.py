"""From where on a client reads a task's lines: what it says of itself."""

from django.db import connection
from django.http import HttpRequest
from django.utils.translation import gettext as _

from tasks.logs.pages import BadOffset, offset_in, seq_of
from tasks.models import Task

SEQ_DIGITS = 18  # more would not fit into the database's numbers


class BadPosition(Exception):
    """A client asked to start where no stream can; names the field."""

    def __init__(self, name: str, problem: str, *, may_come: bool = False) -> None:
        self.errors, self.may_come = {name: [problem]}, may_come
        super().__init__(problem)


def position(request: HttpRequest, task: Task) -> int | None:
    """The seq after which the client goes on; None where it has had ``end``."""
    last_id = request.headers.get("Last-Event-ID") or request.GET.get("lastEventId")
    if last_id:
        return after("Last-Event-ID", last_id, task)
    if "tail" in request.GET:
        return max(0, task.last_seq - _number("tail", request.GET["tail"]))
    return 0


def after(name: str, last_id: str, task: Task) -> int | None:
    """Return the same from an event's id, which the client gave as ``name``."""
    highest = task.last_seq + (1 if task.has_ended else 0)
    cursor = _number(name, last_id)
    if cursor > highest:
        raise BadPosition(
            name,
            _("This task has no event %(id)s; the highest is %(highest)s.")
            % {"id": cursor, "highest": highest},
            may_come=connection.vendor == "postgresql",
        )
    return None if cursor > task.last_seq else cursor


def offset(request: HttpRequest, task: Task) -> int:
    """Return the same from an offset of the log's pages."""
    try:
        return seq_of(offset_in(request.GET), task)
    except BadOffset as error:
        raise BadPosition("offset", str(error)) from error


def _number(name: str, raw: str) -> int:
    if not (raw.isascii() and raw.isdecimal() and len(raw) <= SEQ_DIGITS):
        problem = _("%(name)s takes a whole number, not %(raw)s.")
        raise BadPosition(name, problem % {"name": name, "raw": repr(raw[:40])})
    return int(raw)
