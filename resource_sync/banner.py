"""The banner of a start: where the product is, how to sign in, and how to stop it."""

from typing import TYPE_CHECKING, NamedTuple

from resource_sync.env_file import ENV_FILE

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class Prepared(NamedTuple):
    """The administrator and the secrets that a start shows."""

    administrator: "User"
    password: str
    is_first: bool  # it made secrets, or the administrator


def banner_of_a_daemon(prepared: Prepared) -> str:
    """The same without secrets, but for the first time: what restarts a daemon has a
    log that others read."""
    from tasks.own_url import own_url

    how_to_stop = "make stop (make status, make logs)"
    if prepared.is_first:
        return banner(prepared, how_to_stop)
    return framed(
        ("Page", f"{own_url()}/"),
        ("Sign in", ".venv/bin/python manage.py sign_in_link prints a link"),
        ("Secrets", f"in {ENV_FILE}"),
        ("Stop", how_to_stop),
    )


def banner(prepared: Prepared, how_to_stop: str = "") -> str:
    from django.conf import settings

    from tasks.access.sign_in import sign_in_link
    from tasks.own_url import own_url

    url, user = own_url(), prepared.administrator
    return framed(
        ("Page", f"{url}/"),
        ("Sign in", f"{sign_in_link(user, url)}   (works once, within an hour)"),
        ("API key", settings.API_KEY or "none; see manage.py create_api_key"),
        ("Admin", f"{url}/admin/   {user.get_username()}   {prepared.password}"),
        ("Stop", how_to_stop),
    )


def framed(*lines: tuple[str, str]) -> str:
    from resource_sync.settings import VERSION

    rows = "\n".join(f"  {name:<9}{text}" for name, text in lines if text)
    return f"\nResource Sync {VERSION}\n\n{rows}\n"
