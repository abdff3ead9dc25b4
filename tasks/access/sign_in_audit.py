"""Watches the sign-in: each is written into the audit trail, and who guesses waits."""

from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.signals import (
    user_logged_in,
    user_logged_out,
    user_login_failed,
)
from django.core.exceptions import ValidationError
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils.translation import gettext as _

from tasks.access.actor import Actor, record
from tasks.access.addresses import address_of
from tasks.access.attempts import Attempt, TooManyAttempts, attempt
from tasks.access.rights import rights_of, why_nothing
from tasks.instruments import measures
from tasks.models import AuditEvent

# In place of a name that nobody has: people type passwords into the wrong field.
NOBODY = "(unknown)"


class SignInForm(AdminAuthenticationForm):
    """The admin's, which after some failures looks at no password for a while, and
    says to somebody whose password is right and opens nothing why it does not."""

    request: HttpRequest

    def clean(self) -> dict[str, Any]:
        name = self.cleaned_data.get("username")
        if not (name and self.cleaned_data.get("password")):
            return super().clean()  # which looks at nothing
        try:
            made = attempt(self.request, name)
        except TooManyAttempts as refused:
            measures.failed_sign_ins.inc()
            raise ValidationError(too_many(refused), code="too_many") from refused
        try:
            return super().clean()
        finally:
            if self.get_user() is not None:  # the password was right
                made.forget()

    def confirm_login_allowed(self, user: Any) -> None:
        # Not the admin's, which calls the password of who is no staff wrong.
        AuthenticationForm.confirm_login_allowed(self, user)
        if not rights_of(user):
            action = AuditEvent.Action.SIGN_IN_FAILED
            _note(self.request, action, user, by="rights")
            raise ValidationError(why_nothing(user), code="no_rights")


def too_many(refused: TooManyAttempts) -> str:
    """Return the sentence for somebody who has to wait."""
    text = _("Too many failed sign-ins; try again in %(seconds)s s.")
    return text % {"seconds": refused.seconds}


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


def note_refusal(request: HttpRequest, **details: Any) -> None:
    """Of a sign-in without a password. Not each of very many: strangers must not fill a
    table from which nothing is ever deleted."""
    if Attempt().count_address(request):
        measures.failed_sign_ins.inc()
    else:
        _note(request, AuditEvent.Action.SIGN_IN_FAILED, None, **details)


def note_wrong_code(request: HttpRequest, user: Any, by: str = "code") -> None:
    """Of a second step; as few as may be tried."""
    _note(request, AuditEvent.Action.SIGN_IN_FAILED, user, by=by)


def _note(request: HttpRequest | None, action: str, user: Any, **details: Any) -> None:
    if request is None or request.method is None:
        return  # nobody came: a program made itself a session
    if action == AuditEvent.Action.SIGN_IN_FAILED:
        measures.failed_sign_ins.inc()
    name = user.get_username() if user else NOBODY
    record(Actor(name, address_of(request)), action, name, **details)
