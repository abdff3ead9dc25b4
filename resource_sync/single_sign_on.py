"""OIDC_*: the OpenID provider by which people sign in, where there is one."""

from typing import NamedTuple
from urllib.parse import urlsplit

from resource_sync.environment import SettingError, setting

THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}


class Provider(NamedTuple):
    """An OpenID provider: its issuer, and as which client we ask it.

    ``groups_claim``: where it says which groups somebody is in; ``groups``: what these
    are called here, empty where they have the same names.
    """

    issuer: str
    client_id: str
    client_secret: str
    name: str
    scopes: str
    groups_claim: str
    groups: dict[str, str]


def provider() -> Provider | None:
    """Return the provider of the environment; None where none is set. Raises
    SettingError, also where only a part of it is set."""
    issuer = setting(
        "OIDC_ISSUER", "", _issuer, "an https URL, e.g. https://sso.example.com/studio"
    )
    client_id = setting("OIDC_CLIENT_ID", "", str, "a client's id")
    client_secret = setting("OIDC_CLIENT_SECRET", "", str, "a client's secret")
    name = setting("OIDC_NAME", "", str, "what the button says")
    scopes = setting("OIDC_SCOPES", "openid profile email", _scopes, "openid, and more")
    claim = setting("OIDC_GROUPS_CLAIM", "groups", str, "a claim's name")
    groups = setting(
        "OIDC_GROUPS", "", _groups, "THEIRS=OURS with commas between: release=operator"
    )
    given = {
        "OIDC_ISSUER": issuer,
        "OIDC_CLIENT_ID": client_id,
        "OIDC_CLIENT_SECRET": client_secret,
    }
    if not any(given.values()):
        return None
    if missing := [key for key, value in given.items() if not value]:
        raise SettingError(
            f"{missing[0]}: it is missing; {', '.join(given)} are set together."
        )
    name = name or urlsplit(issuer).hostname or issuer
    return Provider(issuer, client_id, client_secret, name, scopes, claim, groups)


def _issuer(raw: str) -> str:
    parts = urlsplit(raw)
    is_safe = parts.scheme == "https" or (
        parts.scheme == "http" and parts.hostname in THIS_MACHINE
    )
    if raw and not (is_safe and parts.hostname and not (parts.query or parts.fragment)):
        raise ValueError
    return raw


def _scopes(raw: str) -> str:
    if "openid" not in raw.split():
        raise ValueError
    return " ".join(raw.split())


def _groups(raw: str) -> dict[str, str]:
    found = {}
    for pair in filter(None, map(str.strip, raw.split(","))):
        theirs, equals, ours = (part.strip() for part in pair.partition("="))
        if not (theirs and equals and ours):
            raise ValueError
        found[theirs] = ours
    return found
