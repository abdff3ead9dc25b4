"""Reads and writes lists of a release's files: our own format and that of others."""
