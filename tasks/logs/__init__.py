"""The stored lines of tasks: written, read, searched, compared and downloaded."""
