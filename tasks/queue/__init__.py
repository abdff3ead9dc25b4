"""What may be started, and what may be claimed in which order: freezes, pauses, and the
order in a lock."""
