"""The button of a banner that ends a pause of the queue."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from tasks.access.actor import ScopeTooSmall
from tasks.access.staff import actor, staff_form
from tasks.queue.pauses import resume


@require_POST
@staff_form(lambda request: reverse("console"))
def resume_queue(request: HttpRequest) -> HttpResponse:
    """Resume what the form names; nothing in it is the whole queue."""
    try:
        if resume(request.POST.get("type", ""), actor(request)):
            messages.success(request, _("The queue goes on."))
    except ScopeTooSmall as refused:
        messages.error(request, str(refused))
    return redirect("console")
