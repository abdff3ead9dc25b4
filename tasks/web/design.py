"""The design page: every component in each state, for those who build the pages."""

from datetime import timedelta
from types import SimpleNamespace

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from tasks.access.staff import staff_page
from tasks.estimates import Usual
from tasks.models import QueuePause, Task
from tasks.presenters.queue.overrides import Override
from tasks.presenters.queue.pauses import ShownPause
from tasks.presenters.wording import CANCELLING, CANCELLING_SHAPE, SHAPES
from tasks.queue.freezes import Window
from tasks.web.live import live_parts
from tasks.web.now import Lane

HOUR = timedelta(hours=1)
COLOURS = (
    "page", "panel", "sunken", "hover", "selected", "line", "line-strong", "text",
    "muted", "act", "link", "button", "running", "waiting", "completed", "failed",
    "cancelled", "warning", "running-ground", "completed-ground", "failed-ground",
    "cancelled-ground", "warning-ground",
)  # fmt: skip
SIZES = ("title", "figure", "large", "prose", "normal", "small", "caption")
ICONS = (
    "activity", "package", "history", "key-round", "users", "code-xml", "search",
    "keyboard", "sun-moon", "sun", "moon", "log-out", "play", "x", "check",
    "chevron-down", "chevron-right", "chevron-up", "arrow-up", "arrow-down", "copy",
    "link", "download", "file-check", "share-2", "undo-2", "rotate-ccw", "git-compare",
    "wrap-text", "clock", "timer", "bell", "lock", "rocket", "maximize", "circle-alert",
    "triangle-alert", "scheduled", "paused", "frozen", "person",
)  # fmt: skip


@require_GET
@staff_page
def design(request: HttpRequest) -> HttpResponse:
    states = [
        SimpleNamespace(status=status.value, shape=SHAPES[status], label=status.label)
        for status in Task.Status
    ]
    cancelling = SimpleNamespace(
        status=CANCELLING, shape=CANCELLING_SHAPE, label=_("cancelling")
    )
    now = timezone.now()
    frozen = Window(("sync-*",), now, now + HOUR, _("Nobody releases over the weekend"))
    paused = QueuePause(reason=_("The store is being moved"), paused_at=now)
    paused.paused_by = request.user.get_username()
    context = {
        "pauses": [ShownPause(paused, may_resume=False)],
        "freezes": [frozen],
        "override": Override(frozen),
        "colours": COLOURS,
        "sizes": SIZES,
        "icons": [f"icons/{name}.svg" for name in ICONS],
        "states": [*states, cancelling],
        "lane": Lane(Usual(60, 45, 95)),
        **live_parts(),
    }
    return render(request, "design.html", context)
