"""Django's logging: where records go, and which are too many."""

from pathlib import Path
from typing import Any

from resource_sync.log_formats import rotated_file


def logging_of(folder: Path, level: str) -> dict[str, Any]:
    """Return Django's LOGGING: two files in a folder, and warnings on the console."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": "resource_sync.log_formats.SafeJsonFormatter",
                "format": "%(asctime)s %(levelname)s %(name)s %(process)d %(message)s",
                "rename_fields": {
                    "asctime": "time",
                    "levelname": "level",
                    "name": "logger",
                    "process": "pid",
                },
                "json_ensure_ascii": False,
            },
            "plain": {
                "()": "resource_sync.log_formats.SafeFormatter",
                "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
            },
        },
        "handlers": {
            "combined": rotated_file(folder / "combined.log", level),
            "error": rotated_file(folder / "error.log", "ERROR"),
            "console": {
                "class": "logging.StreamHandler",
                "formatter": "plain",
                "level": "WARNING",
            },
        },
        "root": {"handlers": ["combined", "error", "console"], "level": level},
        "loggers": {
            # One line a listener at INFO would be one line a viewer.
            "django_eventstream": {"level": "WARNING"},
            # Nor one a connection that is closed, or could not be opened: whoever
            # wanted it says so.
            "psycopg.pool": {"level": "ERROR"},
            # At INFO it tells of HTTP/2, which nginx speaks, and of inner endpoints.
            "daphne": {"level": "WARNING"},
            "django.server": {"handlers": [], "propagate": True},
            # Not Django's own: they print and mail whole requests.
            "django": {"handlers": [], "propagate": True},
        },
    }
