"""Pages that ask before all tasks of a filter are cancelled or run again."""
