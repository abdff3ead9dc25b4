"""The task types that there are, and what each was when a task was accepted."""
