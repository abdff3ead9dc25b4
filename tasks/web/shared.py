"""What a hand-over link shows: one task, read only, to whoever has the link.

Neither session nor key is looked at here, so that nobody sees more by a link than
another: no acts, no presence, no other task.
"""

import functools
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from rest_framework.exceptions import Throttled

from tasks.access import hand_over
from tasks.catalog.task_type import ParameterErrors
from tasks.logs import store as log_store
from tasks.logs.download import log_download
from tasks.models import HandOverLink, Task
from tasks.presenters.task import Shown
from tasks.problems import from_exception

LINES_SHOWN = 2_000  # the newest; of more a page that scrolls by itself gets slow
MOST_SEQ_DIGITS = 18
HEADERS = {
    # The address is the secret.
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
    "X-Robots-Tag": "noindex, nofollow",
}

View = Callable[[HttpRequest, HandOverLink, Task], HttpResponseBase]
LinkView = Callable[[HttpRequest, str], HttpResponseBase]


def for_link(view: View) -> LinkView:
    """A page that opens by a link; in words where the link is good no more."""

    @require_safe
    @functools.wraps(view)
    def opened(request: HttpRequest, token: str) -> HttpResponseBase:
        try:
            link = hand_over.link_for(request, token)
            response = view(request, link, hand_over.task_of_link(link))
        except hand_over.LinkEnded as ended:
            response = _sentence(request, 410, str(ended))
        except HandOverLink.DoesNotExist:
            text = _("There is no such link. It may not have been copied completely.")
            response = _sentence(request, 404, text)
        except (Throttled, ParameterErrors) as error:
            response = from_exception(error)
        for name, value in HEADERS.items():
            response[name] = value
        return response

    return opened


def _sentence(request: HttpRequest, status: int, text: str) -> HttpResponse:
    return render(request, "shared_ended.html", {"text": text}, status=status)


@for_link
def page(request: HttpRequest, link: HandOverLink, task: Task) -> HttpResponse:
    if request.method == "GET":
        HandOverLink.objects.note_opening(link.pk)
    context = _parts(link, task)
    return render(request, "shared.html", {**context, "lines_shown": LINES_SHOWN})


@for_link
def parts(request: HttpRequest, link: HandOverLink, task: Task) -> HttpResponse:
    """Return what the page says beside its log, to be put into it again."""
    return render(request, "shared_parts.html", _parts(link, task))


def _parts(link: HandOverLink, task: Task) -> dict[str, Any]:
    return {"link": link, "shown": Shown(task, timezone.now())}


@for_link
def logs(request: HttpRequest, link: HandOverLink, task: Task) -> HttpResponse:
    """Return the lines before ``before``, nearest to it, as the API does."""
    raw = request.GET.get("before", "")
    if not (raw.isascii() and raw.isdecimal() and len(raw) <= MOST_SEQ_DIGITS):
        raise ParameterErrors({"before": [_("Must be a whole number.")]})
    page = log_store.page_before(task.pk, int(raw), LINES_SHOWN, [], "")
    previous = page.lines[0]["seq"] if page.has_more else None
    return JsonResponse({"logs": page.lines, "previous": previous})


@for_link
def logs_text(request: HttpRequest, link: HandOverLink, task: Task) -> HttpResponseBase:
    return log_download(task)
