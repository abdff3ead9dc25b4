"""Which finished tasks are too many, too old or too large to be kept."""
