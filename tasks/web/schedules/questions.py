"""What is asked before a schedule is paused, resumed or run now: without script a page,
with it a dialog."""

import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from tasks.access.actor import Actor
from tasks.access.staff import actor, staff_page
from tasks.models import Schedule
from tasks.presenters.links import schedule_link
from tasks.presenters.schedules.run_now import question_of, run
from tasks.schedules import acts
from tasks.web.live import live_parts

Act = Callable[[Schedule, Actor], Schedule]


class Words(NamedTuple):
    """A question's words, and those of its two answers."""

    asks: str
    consequence: str
    yes: str
    no: str


@staff_page
def pause(request: HttpRequest, schedule_id: uuid.UUID) -> HttpResponse:
    words = Words(
        asks=_("Pause %(name)s?"),
        consequence=_(
            "It starts nothing until someone resumes it. A run that has started goes "
            "on."
        ),
        yes=_("Pause"),
        no=_("Don't pause"),
    )
    return _ask(request, schedule_id, acts.pause, words)


@staff_page
def resume(request: HttpRequest, schedule_id: uuid.UUID) -> HttpResponse:
    words = Words(
        asks=_("Resume %(name)s?"),
        consequence=_(
            "It starts again at its next hour. What came while it was paused is not "
            "caught up."
        ),
        yes=_("Resume"),
        no=_("Keep it paused"),
    )
    return _ask(request, schedule_id, acts.resume, words)


@staff_page
def run_now(request: HttpRequest, schedule_id: uuid.UUID) -> HttpResponse:
    schedule = get_object_or_404(Schedule, pk=schedule_id)
    question = question_of(schedule, actor(request))
    status = 200
    if request.method == "POST":
        task, question = run(question, request.POST, actor(request))
        if task:
            return redirect("task", task.pk)
        status = 400
    return _question(
        request, "schedules/run_now.html", schedule, status, question=question
    )


def _ask(
    request: HttpRequest, schedule_id: uuid.UUID, act: Act, words: Words
) -> HttpResponse:
    schedule = get_object_or_404(Schedule, pk=schedule_id)
    words = words._replace(asks=words.asks % {"name": schedule.name})
    acts.let_pause(actor(request), schedule)
    refusal, status = "", 200
    if request.method == "POST":
        try:
            act(schedule, actor(request))
            return redirect(schedule_link(schedule.pk))
        except acts.ScheduleRetired as retired:
            refusal, status = str(retired), 400
    return _question(
        request,
        "schedules/switch.html",
        schedule,
        status,
        refusal=refusal,
        words=words,
    )


def _question(
    request: HttpRequest, template: str, schedule: Schedule, status: int, **more: Any
) -> HttpResponse:
    context = {"schedule": schedule, "back": reverse("schedules"), **more}
    return render(request, template, {**context, **live_parts()}, status=status)
