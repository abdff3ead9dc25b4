"""Which tasks are reruns of which, and what one that starts at a later step takes over
from the first."""

from collections.abc import Mapping
from typing import Any, TypedDict

from django.utils.translation import gettext as _

from tasks.catalog.definitions import content_of, digest_of, type_of
from tasks.catalog.task_type import PLACEHOLDER, ParameterErrors, Step, TaskType
from tasks.models import Task, TaskQuerySet

FROM_STEP = "fromStep"  # as the API calls it

LONGEST = 50  # tasks of a chain that are shown
SHOWN = ("type", "version", "status", "number", "created_at", "created_by", "rerun_of")


def chain_of(task: Task) -> list[Task]:
    """The task, what it is a rerun of and what is a rerun of it, the first one first;
    only the task itself where there is no other."""
    tasks: TaskQuerySet = Task.objects.only(*SHOWN)
    before: list[Task] = []
    origin = task.rerun_of_id
    while origin is not None and len(before) < LONGEST:
        first = tasks.get(pk=origin)
        before.insert(0, first)
        origin = first.rerun_of_id
    found = {one.pk: one for one in [*before, task]}
    level = list(found)
    while level and len(found) < LONGEST:
        after = tasks.filter(rerun_of__in=level).exclude(pk__in=found)
        level = []
        for one in after.order_by("number", "pk")[: LONGEST - len(found)]:
            found[one.pk] = one
            level.append(one.pk)
    return sorted(found.values(), key=lambda one: (one.number, str(one.pk)))


# --- From a step ---------------------------------------------------------------------


class Carried(TypedDict, total=False):
    """What else a task goes on with that waited for an approval."""

    seconds: float  # that it has worked
    firstError: dict[str, Any]
    log: dict[str, Any]  # how far its limits are
    summary: str
    approvedSha256: str


class TakenOver(Carried):
    """What a rerun has of the steps before the one at which it starts, and a task that
    was approved of those before it waited."""

    results: list[dict[str, Any]]  # as in the first task's, each with "takenFrom"
    outputs: dict[str, Any]


def rerun_step(task: Task) -> int:
    """Return the step from which people are offered to run a failed task again, the
    one that failed; 0 where that is the first, or it did not fail."""
    if task.status != Task.Status.FAILED or not (done := _done(task)):
        return 0
    return len(done) + 1 if len(done) < task.step_count else 0


def taken_over(
    task: Task, kind: TaskType, params: Mapping[str, str], from_step: int
) -> TakenOver:
    """Return what a rerun that starts at a step takes over from the first task.

    Raises ParameterErrors where it can't start there: the steps before were not done,
    are others today, or would run with other parameters.
    """
    count = len(kind.steps)
    if not 1 <= from_step <= count:
        raise _wrong(_("Must be a step from 1 to %(count)s.") % {"count": count})
    if not task.has_ended:
        raise _wrong(_("The task has not ended, so nothing can be taken over from it."))
    done = _done(task)
    if from_step > len(done) + 1:
        text = _("Step %(n)s was not done in that task; start at step %(n)s or before.")
        raise _wrong(text % {"n": len(done) + 1})
    before = kind.steps[: from_step - 1]
    then = type_of(task)
    changed = _changed(task, params, kind)
    # One approval lets one run come to its end, of exactly what was approved.
    is_as_approved = (
        task.status != Task.Status.COMPLETED
        and not changed
        and task.definition_id == digest_of(content_of(kind))
    )
    for number, step in enumerate(before, 1):
        if then is None or _what(then.steps[number - 1]) != _what(step):
            text = _("Step %(n)s is another one today; start at step %(n)s or before.")
            raise _wrong(text % {"n": number})
        if step.approval is not None and not is_as_approved:
            text = _(
                "The approval of step %(n)s was for another run: parameters or the "
                "type have changed, or it has completed. Start at step %(n)s or before."
            )
            raise _wrong(text % {"n": number})
        if names := sorted(_used(kind, step) & changed):
            text = _(
                "Step %(n)s ran with another value of %(names)s; start at step %(n)s "
                "or before, or leave it as it was."
            )
            raise _wrong(text % {"n": number, "names": ", ".join(names)})
    results = [
        {"takenFrom": str(task.pk), **entry}
        for entries in done[: from_step - 1]
        for entry in entries
    ]
    taken: TakenOver = {"results": results, "outputs": _outputs(task, results)}
    if approvals := [entry["approval"] for entry in results if "approval" in entry]:
        taken["approvedSha256"] = approvals[-1]["approvedSha256"]
    return taken


def _wrong(text: str) -> ParameterErrors:
    return ParameterErrors({FROM_STEP: [text]})


def _by_step(task: Task) -> list[list[dict[str, Any]]]:
    """Return the attempts of each step that ended, step by step."""
    steps: list[list[dict[str, Any]]] = []
    for entry in (task.result or {}).get("results", []):
        if entry.get("attempt", 1) == 1:
            steps.append([])
        steps[-1].append(entry)
    return steps


def _done(task: Task) -> list[list[dict[str, Any]]]:
    """Return the same of the steps that the task went on from."""
    steps, kind = _by_step(task), type_of(task)
    if task.status == Task.Status.COMPLETED or not steps:
        return steps
    last = steps[-1][-1]
    may_fail = kind is not None and kind.steps[len(steps) - 1].continue_on_error
    is_done = last.get("exitCode") == 0 or may_fail
    return steps if is_done and _went_on(task, last) else steps[:-1]


def _went_on(task: Task, last: Mapping[str, Any]) -> bool:
    """Return whether the task failed by something else than its last result."""
    reason = (task.error_reason or {}).get("params", {})
    return task.status == Task.Status.FAILED and reason.get("step") != last["name"]


def _changed(task: Task, params: Mapping[str, str], kind: TaskType) -> set[str]:
    """Return the names of the parameters that are others than in the first task; what
    is secret nobody can compare."""
    names = (task.params.keys() | params.keys()) - kind.secrets(params).keys()
    return {name for name in names if task.params.get(name) != params.get(name)}


def _used(kind: TaskType, step: Step) -> set[str]:
    """Return the names that a step's command, folder and variables speak of."""
    texts = [*step.command, step.cwd or "", *step.env.values(), *kind.env.values()]
    found = (match[1] for text in texts for match in PLACEHOLDER.finditer(text))
    return {name for name in found if name}


def _what(step: Step) -> tuple[Any, ...]:
    return step.command, step.cwd, dict(step.env), step.user, step.approval


def _outputs(task: Task, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the outputs that these steps put out. Of a result from before it was
    written down which step put out what, all."""
    outputs: dict[str, Any] = (task.result or {}).get("outputs", {})
    every = [entry for entries in _by_step(task) for entry in entries]
    mine = {name for entry in results for name in entry.get("outputs", ())}
    others = {name for entry in every for name in entry.get("outputs", ())} - mine
    return {name: value for name, value in outputs.items() if name not in others}
