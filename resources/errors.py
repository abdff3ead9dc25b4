"""What can go wrong, one class for each exit code of the engine."""

from __future__ import annotations

import errno


class EngineError(Exception):
    """A failure that ends the command with one line on stderr."""

    exit_code = 3


class DifferenceError(EngineError):
    """Files are not what their manifest says."""

    exit_code = 1


class InputError(EngineError):
    """An argument, setting or manifest is wrong; nothing was written."""

    exit_code = 2


class ManifestError(InputError):
    """A manifest is broken or hostile; the message names its line and the reason."""


class StoreError(EngineError):
    """The store could not be read or written."""

    exit_code = 3


class DamagedManifestError(StoreError):
    """The manifest of a version in the store is not what was written there."""


class ConflictError(EngineError):
    """Another publisher was first, or the version exists with other content."""

    exit_code = 4


class FullError(EngineError):
    """The disk is full or the quota used up."""

    exit_code = 5


class AfterwardsError(EngineError):
    """A version was published, but what follows that failed: the purge of caches, or
    the check of what players get."""

    exit_code = 6


class MissingFileError(Exception):
    """There is no such file."""


class RefusedFileError(Exception):
    """The file is there but is not read; the message is the reason."""


class CancelError(BaseException):
    """A signal asks the command to end.

    Not an ``Exception``, so that no handler on the way takes it for a failure.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.exit_code = 128 + signal_number


def store_failure(error: OSError, what: str) -> EngineError:
    """Return the engine's error for an operating system error at the store.

    Parameters: ``what`` names the action and its object, e.g. ``write current.json``.
    Returns ``FullError`` for a full disk or quota, else ``StoreError``.
    """
    text = f"cannot {what}: {error.strerror or error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return FullError(text)
    return StoreError(text)
