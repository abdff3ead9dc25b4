"""What changes among all tasks, for whoever shows many of them (``/api/events``)."""
