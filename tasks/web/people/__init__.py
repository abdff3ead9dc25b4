"""Pages on which people prove who they are."""
