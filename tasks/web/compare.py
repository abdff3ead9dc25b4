"""Two tasks side by side: what was asked, how long each step took, what came of it, and
in which lines their logs differ."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from tasks.access.staff import staff_page
from tasks.logs.diff import MOST_EDITS, MOST_LINES, Difference, difference_of
from tasks.models import Task
from tasks.presenters.last_success import last_success
from tasks.presenters.names import person
from tasks.presenters.outputs import label, text
from tasks.presenters.task import Shown
from tasks.presenters.wording import duration_text
from tasks.web.live import live_parts

MOST_EQUAL = 12  # rows that are shown beside those that differ, unless more are wanted
MOST_OPENED = 50  # gaps of the logs
# A step that took a little longer is no difference: all do.
LEAST_CHANGE, LEAST_CHANGE_SECONDS = 0.1, 0.5


@dataclass(frozen=True)
class Row:
    """One thing that both tasks have, or only one of them ("")."""

    name: str
    a: str
    b: str

    @property
    def differs(self) -> bool:
        return self.a != self.b


@dataclass(frozen=True)
class StepPair:
    """A step's duration in both, in seconds; None where it did not run."""

    name: str
    a: float | None
    b: float | None
    longest: float

    @property
    def words(self) -> tuple[str, str]:
        return _duration(self.a), _duration(self.b)

    @property
    def widths(self) -> tuple[int, int]:
        """Percent of the longest step's bar."""
        return self._width(self.a), self._width(self.b)

    def _width(self, seconds: float | None) -> int:
        return round(100 * (seconds or 0) / self.longest) if self.longest else 0

    @property
    def differs(self) -> bool:
        if self.a is None or self.b is None:
            return self.a != self.b
        change = abs(self.b - self.a)
        return change >= LEAST_CHANGE_SECONDS and change >= LEAST_CHANGE * self.a

    @property
    def change(self) -> str:
        """By how much the second took longer, in percent."""
        if not self.a or self.b is None:
            return ""
        percent = round(100 * (self.b - self.a) / self.a)
        return f"{percent:+} %".replace("-", "−") if percent else "±0 %"


class Section:
    """Rows under one heading; where ``hides``, only those that differ are shown."""

    def __init__(self, rows: Sequence[Row | StepPair]) -> None:
        self.rows, self.hides = rows, False

    @property
    def equal(self) -> int:
        return sum(not row.differs for row in self.rows)

    @property
    def shown(self) -> list[Row | StepPair]:
        return [row for row in self.rows if row.differs or not self.hides]


@require_GET
@staff_page
def compare(request: HttpRequest) -> HttpResponse:
    if ticked := request.GET.getlist("task"):
        return _redirect_to_pair(ticked)
    if failed := _task(request.GET.get("last-success", "")):
        return _with_last_success(request, failed)
    asked = [request.GET.get(name, "") for name in ("a", "b")]
    a, b = map(_task, asked)
    if a is None or b is None or a == b:
        # A task that is gone is an error; that none was named is a question.
        status = 404 if all(asked) and a != b else 200
        return render(request, "compare_none.html", live_parts(), status=status)
    now = timezone.now()
    shown_a, shown_b = Shown(a, now), Shown(b, now)
    difference = difference_of(a, b, _opened(request.GET))
    context = {
        "a": shown_a,
        "b": shown_b,
        "sides": [("A", shown_a), ("B", shown_b)],
        **_sections(shown_a, shown_b, request.GET.get("rows", "")),
        "difference": difference,
        "counts": _counts(difference),
        "swapped": _pair_query(request.GET, b, a),
        "opening": _pair_query(request.GET, a, b, "rows", "open"),
        **live_parts(),
    }
    return render(request, "compare.html", context)


def _sections(a: Shown, b: Shown, wanted: str) -> dict[str, Any]:
    """Return what stands side by side: all of it, or, where that was asked for or much
    is equal, what differs."""
    sections = {
        "facts": Section(_facts(a, b)),
        "params": Section(_pairs(a.params, b.params)),
        "steps": Section(_steps(a, b)),
        "results": Section(_pairs(_flat(_outputs(a)), _flat(_outputs(b)))),
    }
    equal = sum(section.equal for section in sections.values())
    hides = wanted == "different" or (wanted != "all" and equal > MOST_EQUAL)
    for section in sections.values():
        section.hides = hides
    return {**sections, "equal": equal, "hides": hides}


def _pair_query(given: QueryDict, a: Task, b: Task, *others: str) -> str:
    """Return the address of a pair, with these of the page's own choices."""
    pairs = [("a", str(a.pk)), ("b", str(b.pk))]
    pairs += [(name, text) for name in others for text in given.getlist(name)]
    return f"?{urlencode(pairs)}"


def _opened(given: QueryDict) -> set[int]:
    """Return the first lines of the gaps that were opened."""
    asked = given.getlist("open")[:MOST_OPENED]
    return {int(text) for text in asked if text.isdecimal() and len(text) < 12}


def _with_last_success(request: HttpRequest, failed: Task) -> HttpResponse:
    before = last_success(failed)
    if before is None:
        context = {"failed": Shown(failed, timezone.now()), **live_parts()}
        return render(request, "compare_none.html", context)
    query = urlencode({"a": before.pk, "b": failed.pk})
    return redirect(f"{reverse('compare')}?{query}")


def _redirect_to_pair(ticked: list[str]) -> HttpResponse:
    """The older one is a, so that the page says what has become different."""
    found = [task for task_id in ticked if (task := _task(task_id))]
    found.sort(key=lambda task: (task.number, task.pk))
    names = zip("ab", found[:2], strict=False)
    query = {name: str(task.pk) for name, task in names} if len(found) == 2 else {}
    return redirect(f"{reverse('compare')}?{urlencode(query)}")


def _task(task_id: str) -> Task | None:
    try:
        tasks = Task.objects.select_related("rerun_of").defer("trail")
        return tasks.filter(pk=task_id).first() if task_id else None
    except ValidationError:
        return None


def _facts(a: Shown, b: Shown) -> list[Row]:
    def words(shown: Shown) -> dict[str, str]:
        task = shown.task
        return {
            _("Status"): f"{shown.shape} {shown.label}",
            _("What failed"): shown.error,
            _("Type"): shown.title,
            _("Duration"): shown.duration,
            _("Started by"): person(task.created_by),
            _("Lines"): f"{task.last_seq:,}",
        }

    return [row for row in _pairs(words(a), words(b)) if row.a or row.b]


def _pairs(a: Mapping[str, str], b: Mapping[str, str]) -> list[Row]:
    """The first one's things in their order, then what only the second has."""
    return [Row(name, a.get(name, ""), b.get(name, "")) for name in {**a, **b}]


def _steps(a: Shown, b: Shown) -> list[StepPair]:
    seconds_a, seconds_b = _seconds(a), _seconds(b)
    longest = max([*seconds_a.values(), *seconds_b.values()], default=0.0)
    return [
        StepPair(name, seconds_a.get(name), seconds_b.get(name), longest)
        for name in {**seconds_a, **seconds_b}
    ]


def _seconds(shown: Shown) -> dict[str, float]:
    """Return how long each step took, all its attempts together."""
    seconds: dict[str, float] = {}
    for entry in (shown.task.result or {}).get("results", []):
        name = shown.local(str(entry.get("name", "")))
        took = entry.get("durationMs") or 0
        seconds[name] = seconds.get(name, 0.0) + took / 1000
    return seconds


def _outputs(shown: Shown) -> dict[str, Any]:
    result = shown.task.result or {}
    outputs = result.get("outputs", {})
    exit_code = _("Exit code")
    codes = {
        f"{shown.local(str(entry.get('name', '')))} · {exit_code}": entry["exitCode"]
        for entry in result.get("results", [])
    }
    return {**codes, **outputs}


def _flat(values: Any, path: tuple[str, ...] = ()) -> dict[str, str]:
    """``{"ios": {"new": 12}}`` as ``{"iOS · new files": "12"}``."""
    if isinstance(values, dict):
        parts: Iterable[tuple[str, Any]] = values.items()
    elif isinstance(values, list):
        parts = ((str(number), value) for number, value in enumerate(values, 1))
    else:
        shown = "" if values is None else text(path[-1], values)
        return {" · ".join(map(label, path)): shown}
    flat: dict[str, str] = {}
    for name, value in parts:
        flat |= _flat(value, (*path, str(name)))
    return flat


def _counts(difference: Difference) -> dict[str, str]:
    """The numbers of lines, as people read them."""
    numbers = {
        "only_a": difference.only_a,
        "only_b": difference.only_b,
        "left_out_a": difference.left_out[0],
        "left_out_b": difference.left_out[1],
        "given_up_a": difference.given_up[0],
        "given_up_b": difference.given_up[1],
        "most_lines": MOST_LINES,
        "most_edits": MOST_EDITS,
    }
    return {name: f"{number:,}" for name, number in numbers.items()}


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else duration_text(seconds)
