"""Watches the sign-in: each is written into the audit trail, and who guesses waits."""

from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import (
    user_logged_in,
    user_logged_out,
    user_login_failed,
)
from django.core.exceptions import ValidationError
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils.translation import gettext as _

from tasks.actors import Actor, record
from tasks.api.throttles import address_of, neighbourhood_of, seconds_to_wait
from tasks.models import AuditEvent

# In place of a name that nobody has: people type passwords into the wrong field.
NOBODY = "(unknown)"


class SignInForm(AdminAuthenticationForm):
    """The admin's, which after some failures from an address looks at nothing more
    from there for a while."""

    def clean(self) -> dict[str, Any]:
        if seconds := _seconds_to_wait(self.request, spend=False):
            text = _("Too many failed sign-ins; try again in %(seconds)s s.")
            raise ValidationError(text % {"seconds": seconds}, code="too_many")
        try:
            return super().clean()
        except ValidationError:
            _seconds_to_wait(self.request)
            raise


def _seconds_to_wait(request: HttpRequest | None, *, spend: bool = True) -> int | None:
    if request is None:
        return None
    who = f"sign-in:{neighbourhood_of(request)}"
    return seconds_to_wait(request, "sign-in", who, spend=spend)


@receiver(user_logged_in)
def note_sign_in(request: HttpRequest | None, user: Any, **_options: Any) -> None:
    _note(request, AuditEvent.Action.SIGN_IN, user)


@receiver(user_logged_out)
def note_sign_out(request: HttpRequest | None, user: Any, **_options: Any) -> None:
    if user is not None:
        _note(request, AuditEvent.Action.SIGN_OUT, user)


@receiver(user_login_failed)
def note_failure(
    credentials: dict[str, Any], request: HttpRequest | None = None, **_options: Any
) -> None:
    known = get_user_model().objects.filter(username=credentials.get("username"))
    _note(request, AuditEvent.Action.SIGN_IN_FAILED, known.first())


def note_bad_link(request: HttpRequest) -> None:
    """Not each of very many: strangers must not fill a table from which nothing is
    ever deleted."""
    if _seconds_to_wait(request) is None:
        _note(request, AuditEvent.Action.SIGN_IN_FAILED, None, by="link")


def _note(request: HttpRequest | None, action: str, user: Any, **details: Any) -> None:
    if request is None or request.method is None:
        return  # nobody came: a program made itself a session
    name = user.get_username() if user else NOBODY
    record(Actor(name, address_of(request)), action, name, **details)
