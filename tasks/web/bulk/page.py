"""Asks before all tasks that the history's filters find, or those that were selected,
are cancelled or run again; then says what came of each."""

import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse

from tasks.access.staff import actor, staff_form
from tasks.bulk.acting import Confirmed, Outcome, Result, carry_out
from tasks.bulk.selection import (
    Act,
    MoreThanConfirmed,
    NothingAskedFor,
    Selection,
    TooManyFound,
    selection,
)
from tasks.catalog.task_type import ParameterErrors
from tasks.lifecycle import IdempotencyConflict
from tasks.models import task_id_of
from tasks.task_filter import TaskFilter
from tasks.web.filters import Filters
from tasks.web.live import live_parts
from tasks.web.zone import zone_of

SHOWN = 5  # tasks that the question names
DONE = {Outcome.CANCELLED, Outcome.CANCELLING, Outcome.RERUN}


class Asked:
    """What a request asks for: the filters of the history, or tasks by their ids."""

    def __init__(self, request: HttpRequest, given: QueryDict) -> None:
        self.filters = Filters(given, zone=zone_of(request))
        found = (task_id_of(text) for text in given.getlist("task"))
        self.ids = tuple(one for one in found if one is not None)

    @property
    def wanted(self) -> TaskFilter:
        """Raises ParameterErrors."""
        if self.ids:
            return TaskFilter(ids=self.ids)
        if self.filters.errors:
            raise ParameterErrors({k: [v] for k, v in self.filters.errors.items()})
        return self.filters.task_filter

    @property
    def said(self) -> dict[str, Any]:
        """Return what the audit trail keeps."""
        if self.ids:
            return {"ids": [str(one) for one in self.ids]}
        return dict(self.filters.given)

    @property
    def fields(self) -> list[tuple[str, str]]:
        """Return the same, as a form carries it on."""
        if self.ids:
            return [("task", str(one)) for one in self.ids]
        return [*self.filters.given, ("tz", str(self.filters.zone))]


@dataclass(frozen=True)
class Came:
    """What came of it, for people."""

    results: list[Result]

    @property
    def done(self) -> int:
        return sum(one.outcome in DONE for one in self.results)

    @property
    def others(self) -> list[Result]:
        return [one for one in self.results if one.outcome not in DONE]


def _history(request: HttpRequest) -> str:
    return reverse("history")


@staff_form(_history)
def cancel_all(request: HttpRequest) -> HttpResponse:
    return _page(request, Act.CANCEL)


@staff_form(_history)
def rerun_all(request: HttpRequest) -> HttpResponse:
    return _page(request, Act.RERUN)


def _page(request: HttpRequest, act: Act) -> HttpResponse:
    asked = Asked(request, request.POST if request.method == "POST" else request.GET)
    query = "" if asked.ids else asked.filters.query
    context = {
        "act": act.value,
        "asked": asked,
        "back": reverse("history") + (f"?{query}" if query else ""),
        "once": str(uuid.uuid4()),
        **live_parts(),
    }
    try:
        if request.method == "POST":
            context["came"] = Came(_carried_out(request, act, asked))
            return render(request, "bulk.html", context)
        context |= _question(selection(act, asked.wanted, actor(request)))
        return render(request, "bulk.html", context)
    except ParameterErrors as wrong:
        context["problem"] = " ".join(texts[0] for texts in wrong.errors.values())
    except (NothingAskedFor, TooManyFound, IdempotencyConflict) as refused:
        context["problem"] = str(refused)
    except MoreThanConfirmed as refused:
        context["problem"] = str(refused)
        with suppress(TooManyFound):
            context |= _question(selection(act, asked.wanted, actor(request)))
    return render(request, "bulk.html", context, status=400)


def _carried_out(request: HttpRequest, act: Act, asked: Asked) -> list[Result]:
    count = request.POST.get("count", "")
    confirmed = Confirmed(
        int(count) if count.isascii() and count.isdecimal() else 0,
        request.POST.get("seen", ""),
        request.POST.get("once") or None,
    )
    return carry_out(act, asked.wanted, actor(request), confirmed, asked.said)


def _question(found: Selection) -> dict[str, Any]:
    tasks = found.tasks
    refused = sum(found.refusals.values())
    return {
        "found": found,
        "count": len(tasks),
        "shown": tasks[:SHOWN],
        "more": max(0, len(tasks) - SHOWN),
        "can": len(tasks) - refused,
    }
