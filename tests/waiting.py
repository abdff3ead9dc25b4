"""Waiting for a condition, and never for time."""

import time

# What a machine that does other work, too, may take: a wait ends with its condition,
# and a longer one costs only what fails.
PATIENCE_SECONDS = 180


def wait_until(condition, what="the condition", seconds=PATIENCE_SECONDS):
    """Return what the condition gave, once it is true of it."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"Waited {seconds} s in vain for {what}.")
        time.sleep(0.02)
    return value
