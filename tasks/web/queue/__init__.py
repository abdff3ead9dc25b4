"""The page of pauses and freezes, and what is asked on it."""
