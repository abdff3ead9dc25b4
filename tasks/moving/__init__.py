"""Moves all that a database has into another one, of the same kind or another."""
