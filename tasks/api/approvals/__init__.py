"""Approve and reject over HTTP."""
