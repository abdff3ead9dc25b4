"""Reads files of a folder without ever leaving it."""
