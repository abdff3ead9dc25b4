"""Django's logging: where records go, and which are too many."""

import sys
from pathlib import Path
from typing import Any

from resource_sync.log_formats import rotated_file


def logging_of(folder: Path | None, level: str) -> dict[str, Any]:
    """Return Django's LOGGING: two files in a folder, and warnings on the console; or,
    without a folder, JSON lines on the console alone, which a container's engine
    collects."""
    handlers = _to_files(folder, level) if folder else {"console": _to_console(level)}
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
        "handlers": handlers,
        "root": {"handlers": [*handlers], "level": level},
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


def _to_files(folder: Path, level: str) -> dict[str, Any]:
    return {
        "combined": rotated_file(folder / "combined.log", level),
        "error": rotated_file(folder / "error.log", "ERROR"),
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "plain",
            "level": "WARNING",
        },
    }


def _to_console(level: str) -> dict[str, Any]:
    return {
        "class": "logging.StreamHandler",
        "stream": "ext://sys.stdout" if _is_a_service(sys.argv) else "ext://sys.stderr",
        "formatter": "json",
        "level": level,
    }


def _is_a_service(command: list[str]) -> bool:
    """Return whether a process has its standard output for its log. That of other
    commands is their answer, which programs read (``submit --json``)."""
    return Path(command[0]).name == "web.py" or command[1:2] == ["run_tasks"]
