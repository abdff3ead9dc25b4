"""``/metrics``: what the database has, and what each process has counted."""
