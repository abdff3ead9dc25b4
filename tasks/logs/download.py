"""A whole log as a text file, however long: streamed in chunks, never held at once."""

import re
from collections.abc import Iterator

from django.http import StreamingHttpResponse

from tasks.logs import store as log_store
from tasks.models import Task


def log_download(task: Task) -> StreamingHttpResponse:
    text = log_store.as_text(task.pk)
    return download(text, "text/plain; charset=utf-8", file_name(task))


def download(
    text: Iterator[str], content_type: str, name: str
) -> StreamingHttpResponse:
    """A text as a file of that name, sent as it is made."""
    response = StreamingHttpResponse(text, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Accel-Buffering"] = "no"
    return response


def file_name(task: Task, *more: str, ending: str = ".log") -> str:
    """``TYPE-VERSION-ID8.log``, of letters that any file system takes; ``more`` stands
    before the id."""
    parts = [task.type, task.version, *more, str(task.pk)[:8]]
    return re.sub(r"[^A-Za-z0-9._-]+", "_", "-".join(filter(None, parts))) + ending
