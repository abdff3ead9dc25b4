"""The button that ends a pause of the queue, on a banner and on the page of pauses."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from tasks.access.actor import ScopeTooSmall
from tasks.access.staff import actor, staff_form
from tasks.queue.pauses import resume

PAGES = ("console", "queue", "schedules")  # that have the button


@require_POST
@staff_form(lambda request: reverse(_page(request)))
def resume_queue(request: HttpRequest) -> HttpResponse:
    """Resume what the form names; nothing in it is the whole queue."""
    try:
        if resume(request.POST.get("type", ""), actor(request)):
            messages.success(request, _("The queue goes on."))
    except ScopeTooSmall as refused:
        messages.error(request, str(refused))
    return redirect(_page(request))


def _page(request: HttpRequest) -> str:
    """Return the name of the page that the form was on."""
    named = request.POST.get("back", "")
    return named if named in PAGES else PAGES[0]
