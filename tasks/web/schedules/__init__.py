"""The page of schedules, and what is asked on it."""
