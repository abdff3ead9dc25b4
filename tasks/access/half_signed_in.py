"""Between the password and the code: the session knows who began to sign in, and that
is nobody yet. Whatever it asks for, it asks as a stranger."""

import secrets
import time
from typing import Any

from django.contrib.auth import login
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from tasks.access.rights import rights_of
from tasks.access.second_factor import PASSWORD_BACKEND, factor_of, must_have

BEGUN = "half_signed_in"  # the session's key
SECONDS = 600  # from the password to the code


def sign_in_by_password(request: HttpRequest, user: Any, back_to: str) -> HttpResponse:
    """Sign in whoever gave the right password, or a good link, where that is enough;
    lead them to the second step where it is not."""
    has_one = factor_of(user) is not None
    if not has_one and not must_have(user):
        login(request, user, backend=PASSWORD_BACKEND)
        return redirect(back_to)
    # Neither goes on: the session of whoever was here, nor one that somebody else may
    # know by its key.
    request.session.flush()
    request.session[BEGUN] = {
        "user": user.pk,
        "hash": user.get_session_auth_hash(),
        "at": int(time.time()),
        "next": back_to,
    }
    return redirect("second-step" if has_one else "second-factor-required")


def who_began(request: HttpRequest) -> User | None:
    """Return who gave the right password a moment ago; None where that was nobody, is
    too long ago, or the account or its password is another since."""
    begun = request.session.get(BEGUN)
    if not begun or not 0 <= time.time() - begun["at"] <= SECONDS:
        return None
    user = User.objects.filter(pk=begun["user"]).first()
    if user is None or not rights_of(user):
        return None
    is_same = secrets.compare_digest(begun["hash"], user.get_session_auth_hash())
    return user if is_same else None


def finish(request: HttpRequest, user: User) -> str:
    """Sign in who did the second step, in a session with another key; return where
    they wanted to go."""
    back_to: str = request.session.pop(BEGUN)["next"]
    login(request, user, backend=PASSWORD_BACKEND)
    return back_to
