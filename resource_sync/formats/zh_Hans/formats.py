"""Moments to the second, and in which zone: this is read by auditors."""

DATETIME_FORMAT = "Y-m-d H:i:s e"
