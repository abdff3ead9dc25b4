"""The page that asks before a task is run again."""

import uuid

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from tasks.access.staff import actor, staff_page
from tasks.models import Task
from tasks.presenters.rerun import context_of, questions_of, run_again
from tasks.web.live import live_parts


@staff_page
def rerun(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    """Ask, and then run it again: without script a page, with it a dialog."""
    task = get_object_or_404(Task, pk=task_id)
    questions = questions_of([task], actor(request))
    given = request.POST.get("from") or request.GET.get("from", "")
    from_step = int(given) if given.isascii() and given.isdecimal() else 1
    status = 200
    if request.method == "POST" and "sure" in request.POST:
        made, questions = run_again(questions, request, from_step)
        if made:
            return redirect("task", made[0].pk)
        status = 400
    context = {**context_of(questions), "question": questions[0]}
    context |= {"from_step": from_step, **live_parts()}
    return render(request, "rerun.html", context, status=status)
