"""Webhooks: who is told, in which words and format, and how it gets there."""
