"""A whole log as a text file, however long: streamed in chunks, never held at once."""

import re
from collections.abc import AsyncIterator, Iterator
from functools import partial

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import connection
from django.http import HttpRequest, StreamingHttpResponse

from tasks import log_store
from tasks.models import Task


def log_download(request: HttpRequest, task: Task) -> StreamingHttpResponse:
    text = log_store.as_text(task.pk)
    return download(request, text, "text/plain; charset=utf-8", file_name(task))


def download(
    request: HttpRequest, text: Iterator[str], content_type: str, name: str
) -> StreamingHttpResponse:
    """A text as a file of that name, sent as it is made."""
    # Django warns, and buffers everything, where the kind of iterator does not fit
    # the kind of server.
    chunks = _chunks(text)
    response = StreamingHttpResponse(
        _in_threads(chunks) if isinstance(request, ASGIRequest) else chunks,
        content_type=content_type,
    )
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Accel-Buffering"] = "no"
    return response


def file_name(task: Task) -> str:
    """``TYPE-VERSION-ID8.log``, of letters that any file system takes."""
    parts = [task.type, task.version, str(task.pk)[:8]]
    return re.sub(r"[^A-Za-z0-9._-]+", "_", "-".join(filter(None, parts))) + ".log"


def _chunks(text: Iterator[str]) -> Iterator[bytes]:
    for chunk in text:
        # A slow reader must not keep a connection of the pool.
        if not connection.in_atomic_block:
            connection.close()
        yield chunk.encode()


async def _in_threads(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    take = sync_to_async(partial(next, chunks, None))
    while (chunk := await take()) is not None:
        yield chunk
