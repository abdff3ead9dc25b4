"""Freezes and pauses as people read them."""
