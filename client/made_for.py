"""Which service a client was handed out by."""

# The service writes its own in place of these.
VERSION = ""
SERVICE = ""
