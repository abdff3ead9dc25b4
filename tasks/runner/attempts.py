"""Parts of a runner's round that need the database, tried again in the next round where
it refuses, or the system (it has no more files)."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from django.db import Error, connection

from tasks.disk import is_full

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


class Attempts:
    """Whatever they are refused by: going on costs a line in the log, one an outage,
    and ending would cost the tasks that run here. What ends a runner is LeaseLost, and
    any error that is of its own making."""

    def __init__(self, around: Callable[[], AbstractContextManager[None]]) -> None:
        """``around``: the context in which a part waits for the database."""
        self._around = around
        self._refused: set[Callable[[], Any]] = set()  # when they were last tried

    def attempt(
        self,
        part: Callable[[], Result],
        otherwise: Callable[[Exception], None] = lambda _: None,
    ) -> Result | None:
        """Do a part, and return its result; None where it is refused. ``otherwise``:
        what follows where the database refuses it."""
        try:
            with self._around():
                result = part()
        except OSError:
            logger.exception("The system refuses.")
        except Error as error:
            if is_full(error):
                logger.error("The disk of the database is full; trying again.")
            elif part not in self._refused:
                logger.exception("The database refuses.")
            self._refused.add(part)
            connection.close()
            otherwise(error)
        else:
            self._refused.discard(part)
            return result
        return None
