"""Does work in several processes and threads, and ends them in order."""
