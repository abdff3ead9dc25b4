"""Whether this server wrote an export that somebody has."""

import uuid

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from tasks.access.staff import staff_page
from tasks.models import Task
from tasks.presenters.export.signature import is_signed


@require_GET
@staff_page
def check(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    """Answer for a task that was deleted, too: nothing but the signature is asked."""
    digest = request.GET.get("digest", "")
    signature = request.GET.get("signature", "")
    context = {
        "digest": digest,
        "is_ours": is_signed(task_id, digest, signature),
        "exists": Task.objects.filter(pk=task_id).exists(),
        "task_id": task_id,
    }
    return render(request, "export_check.html", context)
