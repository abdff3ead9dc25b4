"""The tasks that an act on several concerns: found by a filter, counted, and bound to
what somebody saw of them before agreeing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.core import signing
from django.utils import timezone
from django.utils.translation import gettext as _

from tasks import lifecycle
from tasks.access.actor import Actor, Scope, ScopeTooSmall
from tasks.catalog.task_type import ParameterErrors
from tasks.models import Task, TaskQuerySet
from tasks.queue.freezes import Frozen, Window, active_freezes, freeze_of
from tasks.task_filter import TaskFilter

# Tasks of one request: an act takes 2 to 5 ms, and somebody waits for the answer.
MOST_AT_ONCE = 1_000
SEEN = "seen"  # as the API calls it
SALT = "tasks.bulk.seen"
SEEN_SECONDS = 3_600  # for which an answer may be agreed to


class Act(StrEnum):
    """What is done to each of the tasks."""

    CANCEL = "cancel"
    RERUN = "rerun"


# Why a task can't be run again, each with a sentence that says it.
REFUSALS = (
    ScopeTooSmall,
    lifecycle.UnknownTaskType,
    lifecycle.IdempotencyConflict,
    lifecycle.TaskDeleted,
    ParameterErrors,
    Frozen,
)


class NothingAskedFor(Exception):
    """No filter is set, and nothing is never all."""

    def __str__(self) -> str:
        return _(
            "Say which tasks are meant, by at least one filter that has a value; "
            "nothing is never taken for all."
        )


class TooManyFound(Exception):
    """The filter finds more tasks than one request may concern."""

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(count)

    def __str__(self) -> str:
        text = _(
            "The filter finds {count} tasks; at most {most} go at once. Narrow it, for "
            "example by type, version or time."
        )
        return text.format(count=f"{self.count:,}", most=f"{MOST_AT_ONCE:,}")


class MoreThanConfirmed(Exception):
    """The filter finds tasks by now that nobody agreed to; nothing was done."""

    def __init__(self, confirmed: int, found: int) -> None:
        self.confirmed, self.found = confirmed, found
        super().__init__(confirmed, found)

    def __str__(self) -> str:
        text = _(
            "Nothing was done: the filter finds tasks that were not confirmed "
            "(confirmed: {confirmed}, found now: {found}). Ask again, and confirm what "
            "it finds then."
        )
        return text.format(confirmed=self.confirmed, found=self.found)


@dataclass(frozen=True)
class Selection:
    """The tasks that an act concerns, the oldest first, and why some of them would be
    refused."""

    act: Act
    tasks: Sequence[Task]
    refusals: dict[str, int]  # by their sentences, the most frequent first

    @property
    def seen(self) -> str:
        """Return which tasks these are, signed, for whoever agrees to them later."""
        numbers = [task.number for task in self.tasks]
        # Steps from one to the next are small, so that a thousand take 1 to 2 KB.
        steps = [b - a for a, b in zip([0, *numbers], numbers, strict=False)]
        return signing.dumps([self.act, steps], salt=SALT, compress=True)


def numbers_seen(act: Act, seen: str) -> set[int]:
    """Return the numbers of the tasks that an answer showed. Raises ParameterErrors."""
    try:
        named, steps = signing.loads(seen, salt=SALT, max_age=SEEN_SECONDS)
    except signing.SignatureExpired:
        text = _("It is older than an hour: ask again, and confirm what is found then.")
        raise ParameterErrors({SEEN: [text]}) from None
    except signing.BadSignature:
        named, steps = "", []
    if named != act:
        text = _("Must be what the answer to the same request without “count” said.")
        raise ParameterErrors({SEEN: [text]})
    numbers, last = set(), 0
    for step in steps:
        last += step
        numbers.add(last)
    return numbers


def concerned(act: Act, wanted: TaskFilter) -> TaskQuerySet:
    """Return the tasks of a filter that an act can concern, in the order in which they
    are taken: those that have not ended and that nobody cancels yet, or to run again
    those that have ended. Raises NothingAskedFor."""
    if wanted == TaskFilter():
        raise NothingAskedFor
    found = wanted.apply(Task.objects.defer("result", "trail"))
    if act == Act.CANCEL:
        found = found.filter(completed_at=None, cancel_requested_at=None)
    else:
        found = found.filter(completed_at__isnull=False)
    return found.order_by("number", "id")


def selection(act: Act, wanted: TaskFilter, actor: Actor) -> Selection:
    """Return what an act would concern now.

    Raises NothingAskedFor, TooManyFound, and ScopeTooSmall where somebody may do it to
    no task at all.
    """
    let(act, actor)
    found = concerned(act, wanted)
    tasks = list(found[: MOST_AT_ONCE + 1])
    if len(tasks) > MOST_AT_ONCE:
        raise TooManyFound(found.count())
    freezes = active_freezes(timezone.now()) if act == Act.RERUN else []
    sentences = (refusal_of(act, task, actor, freezes) for task in tasks)
    counted = Counter(sentence for sentence in sentences if sentence)
    return Selection(act, tasks, dict(counted.most_common()))


def let(act: Act, actor: Actor) -> None:
    """Raise ScopeTooSmall unless somebody may do it to some tasks."""
    may_cancel = actor.rights.may_cancel(is_own=True)
    may_rerun = actor.rights.starts_something
    actor.needs(Scope.START, has_it=may_cancel if act == Act.CANCEL else may_rerun)


def refusal_of(act: Act, task: Task, actor: Actor, freezes: Sequence[Window]) -> str:
    """Return why the act would be refused for a task; "" where it would not."""
    try:
        if act == Act.CANCEL:
            lifecycle.let_cancel(actor, task)
        else:
            kind, _params = lifecycle.planned_rerun(task, actor)
            if kind.confirm:
                return asks_first(kind.local(kind.title))
            if (window := freeze_of(task.type, freezes)) is not None:
                raise Frozen(task.type, window)
    except REFUSALS as refused:
        return str(refused)
    return ""


def asks_first(title: str) -> str:
    """Return the sentence for a type that has to be confirmed task by task."""
    text = _("“{type}” asks before each start, so its tasks are run again one by one.")
    return text.format(type=title)
