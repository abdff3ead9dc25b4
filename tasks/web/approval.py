"""The decision on a task that awaits an approval, from its page."""

import uuid

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from tasks.access.staff import staff_page
from tasks.models import Task
from tasks.presenters.approvals.acts import decide_and_say


@require_POST
@staff_page
def decide(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    task = get_object_or_404(Task, pk=task_id)
    decide_and_say(
        request,
        task.pk,
        is_approved=request.POST.get("decision") == "approve",
        comment=request.POST.get("comment", ""),
        seen=request.POST.get("approvedSha256", ""),
    )
    return redirect("task", task.pk)
