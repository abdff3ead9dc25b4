"""A task in the middle of its lines, with viewers, for tests that break something."""

import time
from contextlib import contextmanager

from tests.waiting import wait_until

from .viewers import Viewer, assert_exact, raise_failures, watching

ENOUGH_LINES = 500  # on each side of a fault


class Flow:
    """A task that prints until it is told that it is enough."""

    def __init__(self, product, **params):
        self.product = product
        self.task_id = product.create("flow", **params)
        self._files = product.data_dir / self.task_id

    def finish(self):
        self._files.with_suffix(".enough").touch()

    @property
    def printed(self):
        """How many lines the program has handed to its pipe."""
        try:
            # Empty for a moment, while it is written.
            return int(self._files.with_suffix(".printed").read_text() or 0)
        except FileNotFoundError:
            return 0

    def wait_until_held_up(self):
        """Until the program has not come one line further for a second."""
        seen = (-1, 0.0)

        def stands_still():
            nonlocal seen
            printed, now = self.printed, time.monotonic()
            if printed != seen[0]:
                seen = (printed, now)
            return now - seen[1] >= 1

        wait_until(stands_still, "the program to be held up")


def wait_for_lines(viewers, count):
    def have_them():
        raise_failures(viewers)
        return all(viewer.last >= count for viewer in viewers)

    wait_until(have_them, f"{len(viewers)} viewers to have {count} lines")


@contextmanager
def viewers_of(flow, count=5):
    """Viewers in the middle of a task's lines. After the block they see as many lines
    again; then the task is told to end, and they must have it whole."""
    viewers = [Viewer(flow.product, flow.task_id) for _ in range(count)]
    with watching(*viewers):
        try:
            wait_for_lines(viewers, ENOUGH_LINES)
            yield viewers
            wait_for_lines(viewers, max(one.last for one in viewers) + ENOUGH_LINES)
        finally:
            flow.finish()
    assert_exact(flow.product, flow.task_id, *viewers)
    assert viewers[0].end["status"] == "completed"


def assert_they_stayed(viewers):
    assert {viewer.connections for viewer in viewers} == {1}
