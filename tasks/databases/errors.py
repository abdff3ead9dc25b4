"""The errors by which a database says that it can't be reached, and what they say."""

from functools import cache

from django.db import InterfaceError, OperationalError, connection


@cache
def outage_errors() -> tuple[type[Exception], ...]:
    """Return the classes of these errors. Those of PostgreSQL's driver come past
    Django, from its pool and from connections of one's own; with SQLite it is not
    loaded, which saves each process 12 MB."""
    if connection.vendor != "postgresql":
        return OperationalError, InterfaceError
    import psycopg

    return OperationalError, InterfaceError, psycopg.OperationalError


def in_one_line(error: BaseException) -> str:
    """Return what an error says; PostgreSQL's driver breaks it into lines, one of which
    alone says nothing in a log."""
    return " ".join(str(error).split())
