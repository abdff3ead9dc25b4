"""Short-lived tokens for the stream, because a browser's EventSource sends no headers
and a key never stands in a URL."""

from datetime import timedelta

from django.core.signing import BadSignature, TimestampSigner
from django.utils import timezone

from tasks.models import Task

MAX_AGE = timedelta(hours=24)
AFTER_END = timedelta(hours=1)  # to read a finished log once more


def _signer() -> TimestampSigner:
    return TimestampSigner(salt="tasks.api.stream_tokens")


def issue(task_id: object) -> str:
    """A token that opens this one task's stream."""
    # The URL names the task already, so only time and signature go into it.
    return _signer().sign(str(task_id)).partition(":")[2]


def accepts(token: str, task: Task) -> bool:
    """Whether a token opens this task's stream now."""
    try:
        _signer().unsign(f"{task.pk}:{token}", max_age=MAX_AGE)
    except (BadSignature, ValueError):
        return False
    return task.completed_at is None or timezone.now() < task.completed_at + AFTER_END
