"""The change feed of all tasks (``/api/events``), for whoever shows many of them."""
