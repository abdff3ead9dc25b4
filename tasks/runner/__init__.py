"""Claims tasks, runs their steps, and stores what they print."""
