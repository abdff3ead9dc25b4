"""A task's log over HTTP."""
