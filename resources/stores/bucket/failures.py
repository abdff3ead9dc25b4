"""What an object store's failures mean: their kinds, and one line for people."""

from __future__ import annotations

import re
from types import ModuleType

from resources.errors import EngineError, FullError, MissingFileError, StoreError
from resources.stores.backend import LostRaceError
from resources.stores.bucket.location import ObjectLocation
from resources.stores.bucket.refusals import advice

_FULL = ("QuotaExceeded", "StorageFull", "Insufficient Storage", "QuotaLimitExceeded")
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "bucket does not exist")
# Amazon's answers to a conditional write beside another request, and to one whose body
# came too slowly.
_AGAIN = ("ConditionalRequestConflict", "RequestTimeout")
_NEVER_AGAIN = (501, 505)  # what the server doesn't know today, it won't in a minute


class PassingError(StoreError):
    """A request failed that may well succeed when it is tried again."""

    slow_down = False


class SlowDownError(PassingError):
    """The server wants fewer requests."""

    slow_down = True


def failure_of(
    error: Exception,
    obstore: ModuleType,
    action: str,
    location: ObjectLocation,
    *,
    conditional: bool = False,
) -> Exception:
    """Return the engine's error for one of the library's.

    Parameters: ``action`` is what was asked for, e.g. ``write current.json``, and
    ``conditional`` says that the request had a condition.
    Returns MissingFileError, LostRaceError, PassingError, FullError or StoreError; for
    what the server will never take it says how to write the store.
    """
    text = str(error)
    place = location.url
    if isinstance(error, FileNotFoundError):
        if any(code in text for code in _NO_BUCKET):
            return StoreError(f"cannot {action} in {place}: there is no such bucket")
        return MissingFileError()
    reason = f"cannot {action} in {place}: {reason_of(error)}"
    if any(code in text for code in _AGAIN):
        return PassingError(reason)
    conditions = (
        obstore.exceptions.AlreadyExistsError,
        obstore.exceptions.PreconditionError,
    )
    if isinstance(error, conditions):
        return LostRaceError()
    failure = _failure_of_server(text, reason)
    more = advice(text, location, conditional=conditional)
    if more and type(failure) is StoreError:
        return StoreError(reason.rstrip(".") + more)
    return failure


def _failure_of_server(text: str, reason: str) -> EngineError:
    if any(code in text for code in _FULL):
        return FullError(reason)
    if "SlowDown" in text:  # Amazon may say it with status 200, too
        return SlowDownError(reason)
    found = re.search(r"status code: (\d{3})", text)
    status = int(found[1]) if found else 0
    if status in (429, 503):
        return SlowDownError(reason)
    is_passing = status == 408 or (status >= 500 and status not in _NEVER_AGAIN)
    if is_passing or "HTTP error: " in text or "returned error response" in text:
        return PassingError(reason)
    return StoreError(reason)


def reason_of(error: Exception) -> str:
    """Make one line of an error that comes with a debugger's view of itself."""
    text, _, debug = str(error).partition("\n\nDebug source")
    answer = dict(re.findall(r"<(Code|Message)>([^<]{1,500})</\1>", text))
    status = re.search(r"status code: (\d+ [A-Z][A-Za-z ]*)", text)
    server = re.search(r"performing [A-Z]+ (\w+://[^/\s]+)", text)
    cause = re.findall(r'message: "([^"]{1,200})"', debug)
    if status:
        # Azure's message goes on with the request's number and time.
        parts = [value.partition("\n")[0] for value in answer.values()]
        reason = ": ".join([status[1].strip(), *parts])
    else:
        reason = text.rpartition(" - ")[2].partition("\n")[0][:200]
        reason = ": ".join([reason, *cause[-1:]])
    return (f"{server[1]}: " if server else "") + reason
