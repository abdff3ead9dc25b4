"""Approve and reject: of two people at once one decides, and the other is told who."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tasks.access.actor import Actor
from tasks.approvals import rights
from tasks.approvals.asking import audit, sha256_of
from tasks.approvals.ending import LINE_ENDS, Lull, time_out, waited_ms
from tasks.catalog.task_type import ParameterErrors
from tasks.logs.append import append
from tasks.logs.own_lines import own_line
from tasks.logs.store import Line
from tasks.models import LONGEST_COMMENT, Approval, AuditEvent, StatusConflict, Task
from tasks.notifications import announce
from tasks.reasons import Reason
from tasks.timestamps import iso

Decision = Approval.Decision


class NotBlocked(Exception):
    """There is nothing to decide: the task does not wait, or it was decided."""

    def __init__(self, task: Task, last: Approval | None) -> None:
        self.task, self.last = task, last
        super().__init__(self._text())

    def _text(self) -> str:
        last = self.last
        if last is None or not last.decision:
            text = _("The task does not await an approval; it is %(status)s.")
            return text % {"status": self.task.get_status_display()}
        if last.decision == Decision.TIMED_OUT:
            text = _("Nobody decided in time: it timed out at %(at)s.")
            return text % {"at": iso(last.decided_at)}
        said = {
            Decision.APPROVED: _("%(by)s approved it at %(at)s."),
            Decision.REJECTED: _("%(by)s rejected it at %(at)s."),
            Decision.CANCELLED: _("%(by)s cancelled it at %(at)s."),
        }[Decision(last.decision)]
        return said % {"by": last.decided_by, "at": iso(last.decided_at)}


class Changed(Exception):
    """What is to be approved is not what was seen."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "What there is to approve is not what you saw: its outputs, its "
                "parameters or its definition are others by now. Look again."
            )
        )


def approve(
    task_id: UUID, actor: Actor, comment: str = "", seen: str | None = None
) -> Task:
    """Have a task go on with the step after the one that asks; returns it. ``seen``:
    the ``approvedSha256`` of what was looked at.

    Raises Task.DoesNotExist, NotApprover, OwnTask, NotBlocked, Changed, and
    ParameterErrors where the comment is too long.
    """
    task, approval = _asked(task_id, actor)
    comment = _checked(comment)
    if approval.sha256 != sha256_of(task) or seen not in {None, approval.sha256}:
        raise Changed
    now = timezone.now()
    text = own_line("approved", by=actor.name)
    line = Line(task.last_seq + 1, int(now.timestamp() * 1000), "info", text)
    lines = [line, *_comment_lines(line, comment)]
    with transaction.atomic():
        _decide(task, approval, Decision.APPROVED, actor, comment)
        as_it_was = Task.objects.filter(
            last_seq=task.last_seq, approvals_asked=task.approvals_asked
        )
        try:
            as_it_was.move(
                task.pk,
                Task.Status.BLOCKED,
                Task.Status.PENDING,
                runner=None,
                slot=None,
                last_seq=lines[-1].seq,
                from_step=approval.step_index + 1,
                approval_ms=task.approval_ms + waited_ms(approval, now),
                taken_over={
                    **(task.taken_over or {}),
                    "results": [*_results(task), _result(approval, actor, comment)],
                    "approvedSha256": approval.sha256,
                },
            )
        except StatusConflict:
            raise _why_not(task) from None
        append([(task.pk, lines)])
        announce([task.pk], queue=True)
    return Task.objects.get(pk=task_id)


def reject(
    task_id: UUID, actor: Actor, comment: str = "", seen: str | None = None
) -> Task:
    """End a task that asks; returns it. Takes and raises what ``approve`` does."""
    task, approval = _asked(task_id, actor)
    comment = _checked(comment)
    if seen not in {None, approval.sha256}:
        raise Changed
    why = {"comment": comment.translate(LINE_ENDS)} if comment else {}
    lull = Lull(task, Reason("rejected", by=actor.name, **why), timezone.now())
    with transaction.atomic():
        _decide(task, approval, Decision.REJECTED, actor, comment)
        try:
            lull.end(Task.Status.CANCELLED, approval)
        except StatusConflict:
            raise _why_not(task) from None
    return Task.objects.get(pk=task_id)


def _asked(task_id: UUID, actor: Actor) -> tuple[Task, Approval]:
    """Return the task, and what of it this person may decide now."""
    task = Task.objects.defer(None).defer("trail", "result").get(pk=task_id)
    last = Approval.objects.filter(task=task).order_by("asked_at", "id").last()
    if last is None:
        rights.check_any(actor)
        raise NotBlocked(task, None)
    last.task = task
    rights.check(actor, last)
    if task.status != Task.Status.BLOCKED or last.decision:
        raise NotBlocked(task, last)
    if last.expires_at is not None and last.expires_at <= timezone.now():
        time_out(last)  # before the reaper does
        raise _why_not(task)
    return task, last


def _decide(
    task: Task, approval: Approval, decision: str, actor: Actor, comment: str
) -> None:
    """Write down who decides what, if nobody has yet; within a transaction."""
    undecided = Approval.objects.undecided().filter(pk=approval.pk)
    if not undecided.update(
        decision=decision,
        decided_at=timezone.now(),
        decided_by=actor.name[:200],
        comment=comment,
    ):
        raise _why_not(task)
    Action = AuditEvent.Action  # noqa: N806 (a class)
    is_approved = decision == Decision.APPROVED
    action = Action.APPROVED if is_approved else Action.REJECTED
    audit(actor, action, approval, **({"comment": comment} if comment else {}))


def _why_not(task: Task) -> NotBlocked:
    task = Task.objects.get(pk=task.pk)
    last = Approval.objects.filter(task=task).order_by("asked_at", "id").last()
    return NotBlocked(task, last)


def _checked(comment: str) -> str:
    if len(comment) > LONGEST_COMMENT:
        text = _("Must be at most %(most)s characters.") % {"most": LONGEST_COMMENT}
        raise ParameterErrors({"comment": [text]})
    return comment.strip().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _comment_lines(before: Line, comment: str) -> list[Line]:
    if not comment:
        return []
    text = comment.translate(LINE_ENDS)
    return [before._replace(seq=before.seq + 1, message=text)]


def _results(task: Task) -> list[Mapping[str, Any]]:
    results: list[Mapping[str, Any]] = (task.taken_over or {}).get("results", [])
    return results


def _result(approval: Approval, actor: Actor, comment: str) -> dict[str, Any]:
    """Return what the step that asked has in the task's result. It took no time: to
    wait for people is no work."""
    return {
        "name": approval.step_name,
        "command": "",
        "exitCode": 0,
        "signal": None,
        "durationMs": 0,
        "attempt": 1,
        "outputs": [],
        "approval": {
            "decidedBy": actor.name,
            "comment": comment,
            "approvedSha256": approval.sha256,
        },
    }
