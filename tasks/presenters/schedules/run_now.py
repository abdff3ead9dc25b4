"""Running a schedule now: what will happen, what is live, what has to be typed, and the
reason that starts it in spite of a freeze."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from dataclasses import field as made_by

from tasks import lifecycle
from tasks.access.actor import Actor, ScopeTooSmall
from tasks.models import Schedule, Task
from tasks.presenters.consequence import consequence_of, live_now
from tasks.presenters.params import titled
from tasks.presenters.queue.overrides import Override, override_of, reason_in
from tasks.queue.freezes import Frozen
from tasks.schedules import acts
from tasks.schedules.validity import Unstartable, startable_now

# What can be wrong with running it, each with a sentence that says it.
REFUSALS = (
    ScopeTooSmall,
    lifecycle.UnknownTaskType,
    lifecycle.IdempotencyConflict,
    lifecycle.TaskDeleted,
    Unstartable,
    acts.ScheduleRetired,
    Frozen,
)
TYPED, ONCE = "typed", "once"  # the names of inputs


@dataclass(frozen=True)
class RunQuestion:
    """Whether a schedule's task is to be started at once."""

    schedule: Schedule
    consequence: str = ""
    params: Mapping[str, str] = made_by(default_factory=dict)
    word: str = ""  # has to be typed
    wrong: str = ""  # what is wrong with what was typed
    refusal: str = ""  # why it can't be run, whatever is typed
    override: Override | None = None
    field: str = TYPED
    once: str = made_by(default_factory=lambda: str(uuid.uuid4()))

    @property
    def is_wrong(self) -> bool:
        """Return whether something that was typed is wrong."""
        return bool(self.wrong or (self.override and self.override.wrong))


def question_of(schedule: Schedule, actor: Actor) -> RunQuestion:
    try:
        acts.let_run(actor, schedule)
        kind, params = startable_now(schedule)
        override = override_of(kind.name, actor)
    except REFUSALS as error:
        return RunQuestion(schedule, refusal=str(error))
    return RunQuestion(
        schedule,
        consequence_of(kind, params, live_now()),
        titled(schedule.params, kind),
        word=kind.confirmation(params),
        override=override,
    )


def run(
    question: RunQuestion, given: Mapping[str, str], actor: Actor
) -> tuple[Task | None, RunQuestion]:
    """Start it as a form says; or return the question with what is wrong. A form that
    is sent twice starts it once."""
    if question.refusal:
        return None, question
    if question.word and given.get(TYPED, "").strip() != question.word:
        question = replace(question, wrong=lifecycle.to_start(question.word))
    if question.override:
        question = replace(question, override=question.override.checked(given))
    if question.is_wrong:
        return None, question
    try:
        task = acts.run_now(
            question.schedule,
            actor,
            override_freeze=reason_in(given),
            idempotency_key=given.get(ONCE, "")[:255] or None,
        )
    except REFUSALS as error:
        return None, replace(question, refusal=str(error))
    return task, question
