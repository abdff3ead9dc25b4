"""Checks a release, brings it into a store, serves it, and takes it back."""
