"""Approvals: a step that waits until somebody agrees, and who agreed to what."""
