"""Schedules as people read them."""
