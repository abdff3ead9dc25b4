"""What keeps a version from being served: each asks before anything is written."""
