"""Backups of an installation: made while it runs, read back, restored."""
