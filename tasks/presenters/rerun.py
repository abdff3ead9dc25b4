"""Running a task again: what will happen, what is live now, and what has to be typed.

Nothing is run again without this question, whichever door somebody comes by; what has
to be typed is checked by ``tasks.lifecycle``.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest

from tasks import lifecycle
from tasks.access.actor import Actor, ScopeTooSmall
from tasks.access.staff import actor
from tasks.catalog.task_type import ParameterErrors
from tasks.models import Task
from tasks.presenters.consequence import consequence_of, live_now
from tasks.presenters.links import change_link
from tasks.presenters.names import name_of
from tasks.presenters.queue.overrides import FIELD, Override, override_of, reason_in
from tasks.queue.freezes import Frozen
from tasks.representation import shown_params

# What can be wrong with running a task again, each with a sentence that says it.
REFUSALS = (
    ScopeTooSmall,
    lifecycle.UnknownTaskType,
    lifecycle.IdempotencyConflict,
    lifecycle.TaskDeleted,
    ParameterErrors,
    Frozen,
)


@dataclass(frozen=True)
class Question:
    """Whether a task is to be run again."""

    task: Task
    consequence: str = ""
    word: str = ""  # has to be typed
    wrong: str = ""  # what is wrong with what was typed
    refusal: str = ""  # why it can't be run again, whatever is typed
    with_changes: str = ""  # where it can be, with other parameters
    override: Override | None = None  # of a freeze, which takes a reason

    @property
    def name(self) -> str:
        return name_of(self.task)

    @property
    def field(self) -> str:
        """The name of the input in which the word is typed."""
        return f"typed-{self.task.pk}"

    @property
    def is_wrong(self) -> bool:
        """Return whether something that was typed is wrong."""
        return bool(self.wrong or (self.override and self.override.wrong))

    @property
    def params(self) -> dict[str, str]:
        """Without secrets, and without the version, which the question names."""
        params = shown_params(self.task)
        return {name: text for name, text in params.items() if name != "version"}


def questions_of(tasks: Iterable[Task], actor: Actor) -> list[Question]:
    """Return the question for each task, the oldest first, as they shall run; what is
    live is read once for all."""
    live = live_now()
    in_order = sorted(tasks, key=lambda task: (task.number, str(task.pk)))
    return [_question(task, actor, live) for task in in_order]


def _question(task: Task, actor: Actor, live: Sequence[dict[str, Any]]) -> Question:
    try:
        kind, params = lifecycle.planned_rerun(task, actor)
        override = override_of(task.type, actor, f"{FIELD}-{task.pk}")
    except REFUSALS as error:
        can_change = not isinstance(error, ScopeTooSmall)
        link = change_link(task) if can_change else ""
        return Question(task, refusal=str(error), with_changes=link)
    return Question(
        task,
        consequence_of(kind, params, live),
        word=kind.confirmation(params),
        with_changes=change_link(task),
        override=override,
    )


def run_again(
    questions: Sequence[Question], request: HttpRequest, from_step: int = 1
) -> tuple[list[Task], list[Question]]:
    """Run again what was asked about, as the form says: all of it, or, where something
    that was typed is wrong, nothing. Return the new tasks and the questions that are
    left, each with what is wrong.

    A form that is sent twice starts everything once.
    """
    checked = [_checked(each, request.POST) for each in questions]
    if any(each.is_wrong for each in checked):
        return [], checked
    made, refused = [], []
    for each in questions:
        typed = request.POST.get(each.field, "")
        key = f"{once}:{each.task.pk}" if (once := request.POST.get("once")) else None
        try:
            made.append(
                lifecycle.rerun(
                    each.task,
                    actor(request),
                    confirmed=typed,
                    from_step=from_step,
                    override_freeze=_reason(each, request.POST),
                    idempotency_key=key and key[:255],
                )
            )
        except REFUSALS as error:
            refused.append(replace(each, refusal=str(error)))
    return made, refused


def _checked(question: Question, given: Mapping[str, str]) -> Question:
    """Return the question with what is wrong with what a form says."""
    if question.word and given.get(question.field, "").strip() != question.word:
        question = replace(question, wrong=lifecycle.to_start(question.word))
    if question.override:
        question = replace(question, override=question.override.checked(given))
    return question


def _reason(question: Question, given: Mapping[str, str]) -> str | None:
    """Return the reason for which it starts in spite of a freeze."""
    return reason_in(given, question.override.field) if question.override else None


def context_of(questions: Sequence[Question]) -> dict[str, Any]:
    """Return what the question's templates take."""
    askable = [each for each in questions if not each.refusal]
    return {"questions": questions, "askable": askable, "once": str(uuid.uuid4())}
