"""The tables of a database, what is in them, and by which migrations they came."""

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.db.migrations.loader import MigrationLoader

Applied = list[tuple[str, str]]  # app and name, in the order in which they came
TABLES = {
    "sqlite": """
        SELECT name FROM sqlite_master
        WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name
    """,
    "postgresql": """
        SELECT tablename FROM pg_tables WHERE schemaname = current_schema()
        ORDER BY tablename COLLATE "C"
    """,
}
# What a migration brings by itself, so that it is no loss.
BROUGHT = {
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "django_content_type",
    "django_migrations",
    "tasks_prunedlog",
}
WORDS = {  # in which order a loss is named, and how
    "tasks_task": "tasks",
    "tasks_logline": "lines of logs",
    "tasks_logblock": "blocks of packed lines",
    "auth_user": "accounts",
    "tasks_apikey": "API keys",
    "tasks_auditevent": "events of the audit trail",
    "tasks_schedule": "schedules",
    "tasks_freeze": "freezes",
}


def vendor_of(connection: Any) -> str:
    return "sqlite" if isinstance(connection, sqlite3.Connection) else "postgresql"


def tables(connection: Any) -> list[str]:
    """Return the names of all tables there are."""
    rows = connection.execute(TABLES[vendor_of(connection)]).fetchall()
    return [name for (name,) in rows]


def counts(connection: Any, names: Iterable[str]) -> dict[str, int]:
    """Return how many rows each of these tables has."""
    found = {}
    for name in names:
        row = connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()  # noqa: S608 (names of tables)
        found[name] = int(row[0])
    return found


def applied(connection: Any) -> Applied:
    """Return the migrations that were applied; none where there are no tables."""
    if "django_migrations" not in tables(connection):
        return []
    rows = connection.execute("SELECT app, name FROM django_migrations ORDER BY id")
    return [(app, name) for app, name in rows.fetchall()]


def unknown(migrations: Iterable[tuple[str, str]]) -> list[str]:
    """Return those that this version of the product does not have."""
    ours = set(MigrationLoader(None).disk_migrations or ())
    return [".".join(found) for found in migrations if tuple(found) not in ours]


def our_tables() -> set[str]:
    """Return the tables that this version of the product has."""
    models = apps.get_models(include_auto_created=True)
    managed = {model._meta.db_table for model in models if model._meta.managed}
    return managed | {"django_migrations"}


def tables_of_our_apps(connection: Any) -> set[str]:
    """Return the tables that a database has by the names of our own apps, those of a
    later version with them. Not by those of Django's: "messages_" may be another
    product's, which shares the schema."""
    ours = [app for app in apps.get_app_configs() if _is_a_room(app)]
    prefixes = tuple(f"{app.label}_" for app in ours)
    return {name for name in tables(connection) if name.startswith(prefixes)}


def _is_a_room(app: AppConfig) -> bool:
    return Path(app.path).parent == settings.BASE_DIR


def what_is_in(found: Mapping[str, int]) -> str:
    """Return in words what some counts of rows are; "" where there is nothing that a
    first start does not bring by itself."""
    rows = {name: count for name, count in found.items() if name not in BROUGHT}
    named = [
        f"{WORDS[name]}: {count:,}" for name in WORDS if (count := rows.pop(name, 0))
    ]
    if others := sum(rows.values()):
        named.append(f"other rows: {others:,}")
    return ", ".join(named)
