"""Which migrations the code has, and which the database had: without importing any, and
by one query, so that it may be asked every second."""

import pkgutil
from functools import cache
from importlib import import_module
from importlib.util import find_spec

from django.apps import apps
from django.db import OperationalError, ProgrammingError, connection

Migration = tuple[str, str]  # an app's label, and a name


@cache
def of_the_code() -> frozenset[Migration]:
    """Return all migrations of the installed apps."""
    return frozenset(
        (config.label, module.name)
        for config in apps.get_app_configs()
        if find_spec(f"{config.name}.migrations")
        for module in pkgutil.iter_modules(
            import_module(f"{config.name}.migrations").__path__
        )
        if module.name[0] not in "_~"
    )


def applied() -> frozenset[Migration]:
    """Return all migrations that the database had: none where it was never prepared.
    Raises DatabaseError."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT app, name FROM django_migrations")
            return frozenset((app, name) for app, name in cursor.fetchall())
    except ProgrammingError:  # PostgreSQL's word for it
        return frozenset()
    except OperationalError as error:
        if str(error).startswith("no such table"):  # SQLite's
            return frozenset()
        raise


def missing() -> list[Migration]:
    """Return the migrations that the code needs and the database lacks."""
    return sorted(of_the_code() - applied())


def from_a_newer_version() -> list[Migration]:
    """Return the product's migrations that the database had and this code lacks."""
    known = of_the_code()
    newest = max(name for app, name in known if app == "tasks")
    return sorted(
        (app, name)
        for app, name in applied() - known
        if app == "tasks" and name > newest
    )
