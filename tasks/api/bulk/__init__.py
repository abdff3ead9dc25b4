"""Cancelling or running again all tasks that a filter finds, over HTTP."""
