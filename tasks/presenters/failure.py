"""Why a task did not complete: what its program said, what the service says of it, and
what was different when it worked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _

from tasks.catalog.definitions import type_of
from tasks.models import Task
from tasks.presenters.exit_codes import words_of_exit
from tasks.presenters.last_success import last_success
from tasks.presenters.params import titled_params
from tasks.presenters.wording import ago_text


@dataclass(frozen=True)
class Change:
    """A parameter that was another one when the task worked; "" where it had none."""

    title: str
    before: str
    now: str


@dataclass(frozen=True)
class LastSuccess:
    task: Task
    ago: str
    compare: str
    changes: list[Change]


@dataclass(frozen=True)
class Failure:
    cause: str  # in the program's own words; "" where it said nothing
    line: int | None  # of the log, which says so
    hint: str  # what its exit code says
    last_success: LastSuccess | None


def failure_of(task: Task, now: datetime) -> Failure:
    cause = (task.result or {}).get("firstError") or {}
    return Failure(
        cause=str(cause.get("message", "")),
        line=cause.get("seq"),
        hint=_hint(task),
        last_success=_last_success(task, now),
    )


def own_words(reason: Mapping[str, Any] | None, cause: str) -> bool:
    """Return whether the reason of a failure quotes its cause, so that one need not
    be said beside the other."""
    quoted = (reason or {}).get("params", {}).get("reason")
    return bool(cause) and isinstance(quoted, str) and quoted.startswith(cause)


def _hint(task: Task) -> str:
    results = (task.result or {}).get("results") or [{}]
    code = results[-1].get("exitCode") or 0
    words = words_of_exit(code)
    return _("Exit code {n}: {words}").format(n=code, words=words) if words else ""


def _last_success(task: Task, now: datetime) -> LastSuccess | None:
    last = last_success(task)
    if last is None or last.completed_at is None:
        return None
    compare = f"{reverse('compare')}?{urlencode({'a': last.pk, 'b': task.pk})}"
    ago = ago_text(last.completed_at, now)
    return LastSuccess(last, ago, compare, _changes(last, task))


def _changes(last: Task, task: Task) -> list[Change]:
    kind = type_of(task)
    before, now = titled_params(last, kind), titled_params(task, kind)
    return [
        Change(title, before.get(title, ""), now.get(title, ""))
        for title in dict.fromkeys([*before, *now])
        if before.get(title) != now.get(title)
    ]
