"""What the palette finds: the types that one may start, pages, and what a page does."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import NoReverseMatch, reverse
from django.utils.translation import get_language, override
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from tasks.access.actor import Actor
from tasks.access.staff import actor, staff_page
from tasks.catalog.loader import catalog
from tasks.catalog.task_type import Parameter, TaskType
from tasks.models import Schedule
from tasks.presenters.links import schedule_link
from tasks.presenters.names import title_of_type
from tasks.web.pinyin import initials

Json = dict[str, Any]
Pages = tuple[tuple[str, object, list[str]], ...]

# A page's name in the addresses, how it reads, and by what else it is found.
PAGES: Pages = (
    ("console", _("Now"), ["Console"]),
    ("releases", _("Releases"), []),
    ("history", _("History"), []),
    ("schedules", _("Schedules"), ["Cron"]),
    ("queue", _("Pauses and freezes"), ["Queue"]),
    ("admin:index", _("Keys and people"), ["Admin"]),
    ("account", _("Your account"), ["Rights"]),
    ("api-docs", "API", ["Swagger", "OpenAPI"]),
    ("design", _("Design"), []),
)
# What asks before it is done, for those who manage the queue.
ASKED: Pages = (
    ("queue-pause", _("Pause the queue…"), []),
    ("queue-freeze", _("Freeze…"), ["Freeze"]),
)
MOST_SCHEDULES = 200
# What leads to the newest task: of one status, or of any.
LASTS = (
    ("blocked", _("Task awaiting approval")),
    ("failed", _("Last failed task")),
    ("", _("Last task")),
)
TEXTS = {
    "start": _("Open the form"),
    "go": _("Go to"),
    "recent": _("Recent tasks"),
    "line": _("Line {n}"),
    "lines": _("Lines {from} to {to}"),
    "task": _("Task {id}"),
    "none": _("Nothing found."),
    "count": _("Results: {n}"),
}


@require_GET
@staff_page
def palette(request: HttpRequest) -> HttpResponse:
    """Return, for the one who asks and in their language, all that is found without
    asking for tasks."""
    who = actor(request)
    shown = [kind for kind in catalog().values() if not kind.hidden]
    return JsonResponse(
        {
            "console": reverse("console"),
            "types": [_type(kind) for kind in shown if who.may_start(kind)],
            "titles": {kind.name: kind.local(kind.title) for kind in shown},
            "pages": [*_pages(PAGES), *_schedules(), *_asked(who)],
            "acts": _acts(),
            "lasts": _lasts(),
            "texts": TEXTS,
        }
    )


# --- Names --------------------------------------------------------------------------


def _named(title: str, others: Iterable[str] = ()) -> Json:
    """Return a title, and all names by which it is found, with what people type for
    the Chinese ones."""
    names = [
        {"text": text, "letters": letters}
        if (letters := initials(text))
        else {"text": text}
        for text in dict.fromkeys([title, *others])
    ]
    return {"title": title, "names": names}


def _spoken(text: object, *others: str) -> Json:
    """Return the same of a text of our own, which is found in every language."""
    titles = []
    for code, _name in settings.LANGUAGES:
        with override(code):
            titles.append(str(text))
    return _named(str(text), [*titles, *others])


def _in_all_languages(kind: TaskType, text: str) -> list[str]:
    there = [texts[text] for texts in kind.translations.values() if text in texts]
    return [text, *there]


# --- Task types ---------------------------------------------------------------------


def _type(kind: TaskType) -> Json:
    names = [*_in_all_languages(kind, kind.title), kind.name]
    return {
        "name": kind.name,
        **_named(kind.local(kind.title), names),
        "params": [_param(kind, parameter) for parameter in _typed(kind)],
    }


def _typed(kind: TaskType) -> list[Parameter]:
    """Return the parameters that can be typed behind a type's name: the version, or
    else the first that takes a text; then those with choices.

    A bare yes does not say to which of several questions.
    """
    plain = [p for p in kind.params if not p.secret and not p.choices]
    first = [p for p in plain if p.name == "version"] or plain[:1]
    choices = [p for p in kind.params if p.choices and not p.secret]
    return first + [p for p in choices if set(p.choices) != {"yes", "no"}]


def _param(kind: TaskType, parameter: Parameter) -> Json:
    return {
        "name": parameter.name,
        "title": kind.local(parameter.title),
        "pattern": parameter.pattern,
        "choices": [_choice(kind, parameter, value) for value in parameter.choices],
    }


def _choice(kind: TaskType, parameter: Parameter, value: str) -> Json:
    label = parameter.labels.get(value, value)
    return {
        "value": value,
        "title": kind.local(label),
        "names": list(dict.fromkeys([value, *_in_all_languages(kind, label)])),
    }


# --- Pages and acts -----------------------------------------------------------------


def _pages(pages: Pages) -> list[Json]:
    found = ((_path(name), text, others) for name, text, others in pages)
    return [
        {"url": url, **_spoken(text, *others)} for url, text, others in found if url
    ]


def _schedules() -> list[Json]:
    """Return where each schedule is, found by its name and its type's title."""
    standing = Schedule.objects.standing().order_by("name", "pk")
    return [
        {
            "url": schedule_link(schedule.pk),
            **_named(schedule.name, [title_of_type(schedule.type)]),
            "title": str(_("Schedule {name}")).format(name=schedule.name),
        }
        for schedule in standing.only("name", "type")[:MOST_SCHEDULES]
    ]


def _asked(who: Actor) -> list[Json]:
    return _pages(ASKED) if who.rights.is_admin else []


def _path(name: str) -> str:
    """Return where a page is; "" where there is none of that name."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


def _acts() -> list[Json]:
    return [
        {"act": "theme", **_spoken(_("Change theme"))},
        *(
            {"act": "language", "value": code, **_spoken(_("Language"), name)}
            | {"title": name}
            for code, name in settings.LANGUAGES
            if code != get_language()
        ),
        {"act": "keys", **_spoken(_("Keyboard"))},
    ]


def _lasts() -> list[Json]:
    return [{"last": status, **_spoken(text)} for status, text in LASTS]
