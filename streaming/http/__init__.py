"""Daphne, with bounds on what it takes and for how long."""
