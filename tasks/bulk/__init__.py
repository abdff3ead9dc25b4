"""One act on all tasks that a filter finds: whom it concerns, and what came of it."""
