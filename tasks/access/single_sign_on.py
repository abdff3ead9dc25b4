"""Single sign-on by OpenID Connect: who comes from the provider, and in which groups.

Authlib speaks with the provider: authorization code with PKCE, state and nonce; the ID
token's signature, issuer, audience and time. What an account may do is ours.
https://openid.net/specs/openid-connect-core-1_0.html
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.django_client import OAuth
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from joserfc.errors import JoseError
from requests import RequestException

from tasks.access.actor import Actor, record
from tasks.access.addresses import address_of
from tasks.models import Identity

DISCOVERY = "/.well-known/openid-configuration"
PATIENCE_SECONDS = 10.0  # for each answer of the provider
LEEWAY_SECONDS = 60  # between its clock and ours
MAX_NAME = 150  # characters, as Django's column has
NOT_IN_A_NAME = re.compile(r"[^\w.@+-]+")  # what Django refuses
NEXT = "oidc_next"  # the session's key of the page that somebody wanted


class NotAnswered(Exception):
    """The provider does not answer, or not as one of OpenID does."""


class Refused(Exception):
    """The provider, or a check of what it sent, lets nobody in; ``code`` says what."""

    def __init__(self, code: str) -> None:
        self.code = code[:100]
        super().__init__(self.code)


def provider() -> Any:
    """Return the provider of the settings; these addresses are there only with one."""
    return settings.OIDC


def begin(request: HttpRequest, callback_url: str, back_to: str) -> HttpResponse:
    """Return the redirection to the provider. Raises NotAnswered."""
    client = _client()
    try:
        client.load_server_metadata()
        answer: HttpResponse = client.authorize_redirect(request, callback_url)
    except (RequestException, AuthlibBaseError, ValueError, RuntimeError) as error:
        raise NotAnswered from error
    request.session[NEXT] = back_to
    return answer


def claims_of(request: HttpRequest) -> dict[str, Any]:
    """Return what the provider proves of whoever comes back from it.

    Raises NotAnswered and Refused.
    """
    client = _client()
    try:
        token = client.authorize_access_token(request, leeway=LEEWAY_SECONDS)
        issuer = client.load_server_metadata().get("issuer")
        if issuer != provider().issuer:
            raise Refused("wrong_issuer")
        claims = dict(token.get("userinfo") or {})
        if not claims.get("sub"):
            raise Refused("no_id_token")
        if provider().groups_claim not in claims:
            claims |= _user_info(client, token, claims["sub"])
    except JoseError as error:
        raise Refused(error.error or type(error).__name__) from error
    except AuthlibBaseError as error:
        raise Refused(error.error or type(error).__name__) from error
    except (RequestException, ValueError, KeyError, RuntimeError) as error:
        raise NotAnswered from error
    return claims


def _client() -> Any:
    """Return a client that knows nothing yet: sign-ins are rare, and a provider changes
    its keys and addresses as it likes."""
    known = provider()
    return OAuth().register(
        name="provider",
        client_id=known.client_id,
        client_secret=known.client_secret,
        server_metadata_url=known.issuer.rstrip("/") + DISCOVERY,
        client_kwargs={
            "scope": known.scopes,
            "code_challenge_method": "S256",
            "default_timeout": PATIENCE_SECONDS,
        },
    )


def _user_info(client: Any, token: Any, subject: str) -> dict[str, Any]:
    """Return the claims of the UserInfo endpoint, where there is one, and where they
    are of the same subject (Core 1.0, 5.3.2)."""
    if not client.load_server_metadata().get("userinfo_endpoint"):
        return {}
    found = dict(client.userinfo(token=token))
    if found.get("sub") != subject:
        raise Refused("wrong_subject")
    return found


# --- Accounts -----------------------------------------------------------------------


def account_of(request: HttpRequest, claims: Mapping[str, Any]) -> User:
    """Return the account of somebody whom the provider vouches for, made now where
    there was none, in the groups that it says. Raises Refused of one that is closed."""
    issuer, subject = provider().issuer, str(claims["sub"])[:255]
    with transaction.atomic():
        known = User.objects.filter(identity__issuer=issuer, identity__subject=subject)
        user = known.first() or _new_account(request, issuer, subject, claims)
        if not user.is_active:
            raise Refused("account_inactive")
        _put_into_groups(request, user, claims)
    return user


def _new_account(
    request: HttpRequest, issuer: str, subject: str, claims: Mapping[str, Any]
) -> User:
    """An account that somebody has here by the same name stays theirs alone."""
    wanted = str(claims.get("preferred_username") or claims.get("email") or subject)
    name = NOT_IN_A_NAME.sub("-", wanted)[:MAX_NAME]
    host = urlsplit(issuer).hostname or "sso"
    for username in (name, f"{name}@{host}"[:MAX_NAME], f"{subject}@{host}"[:MAX_NAME]):
        try:
            with transaction.atomic():
                user = User.objects.create(
                    username=NOT_IN_A_NAME.sub("-", username),
                    email=str(claims.get("email") or "")[:254],
                    is_staff=True,
                )
        except IntegrityError:
            continue
        user.set_unusable_password()
        user.save(update_fields=["password"])
        Identity.objects.create(user=user, issuer=issuer, subject=subject)
        record(_oneself(request, user), "user.add", user.username, by="oidc")
        return user
    raise Refused("name_taken")


def _put_into_groups(
    request: HttpRequest, user: User, claims: Mapping[str, Any]
) -> None:
    """Have somebody in the groups that the claim names, and in no others; where there
    is no claim the groups are managed here."""
    said = claims.get(provider().groups_claim)
    if said is None:
        return
    theirs = {str(name) for name in (said if isinstance(said, list) else [said])}
    ours = provider().groups
    names = {ours[name] for name in theirs & ours.keys()} if ours else theirs
    before = {group.name for group in user.groups.all()}
    groups = list(Group.objects.filter(name__in=names))
    after = {group.name for group in groups}
    if before != after:
        user.groups.set(groups)
        changed = {"before": sorted(before), "after": sorted(after)}
        record(
            _oneself(request, user), "user.change", user.username, by="oidc", **changed
        )


def _oneself(request: HttpRequest, user: User) -> Actor:
    return Actor(user.username, address_of(request))
