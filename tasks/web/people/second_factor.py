"""The second factor: asked for after the password, set up, and removed."""

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from tasks.access.actor import Actor
from tasks.access.addresses import address_of
from tasks.access.attempts import TooManyAttempts, attempt
from tasks.access.half_signed_in import finish, who_began
from tasks.access.second_factor import (
    PASSWORD_BACKEND,
    NewKey,
    confirm,
    factor_of,
    must_have,
    remove,
    renew_recovery_codes,
    use,
)
from tasks.access.sign_in_audit import note_wrong_code, too_many
from tasks.access.staff import staff_form
from tasks.models import AuditEvent
from tasks.secrets.encryption import SecretKeyChanged

NEW = "new_second_factor"  # the session's key of one that is not confirmed yet


# --- After the password -------------------------------------------------------------


@never_cache
@require_http_methods(["GET", "POST"])
def second_step(request: HttpRequest) -> HttpResponse:
    """Ask whoever gave the password for a code, and sign them in."""
    user = who_began(request)
    if user is None or factor_of(user) is None:
        return _begin_again(request)
    if request.method == "GET":
        return _code_asked(request, user)
    try:
        kind = use(user, request.POST.get("code", ""), _oneself(request, user))
    except TooManyAttempts as refused:
        return _code_asked(request, user, too_many(refused))
    except SecretKeyChanged:
        text = _(
            "The code can't be checked, because SECRET_KEY was changed since. Use a "
            "recovery code, or ask someone in the group “admin” to reset your second "
            "factor."
        )
        return _code_asked(request, user, text)
    if kind is None:
        note_wrong_code(request, user)
        text = _("This code is wrong, or was used before. Wait for the next one.")
        return _code_asked(request, user, text)
    back_to = finish(request, user)
    if kind == "recovery-code":
        left = factor_of(user).recovery_codes.count()  # type: ignore[union-attr]
        text = _("You used a recovery code. Codes that are left: %(n)s.")
        messages.warning(request, text % {"n": left})
    return redirect(back_to)


@never_cache
@require_http_methods(["GET", "POST"])
def required(request: HttpRequest) -> HttpResponse:
    """Have whoever must have a second factor set one up before they are signed in."""
    user = who_began(request)
    if user is None or not must_have(user):
        return _begin_again(request)
    if factor_of(user) is not None:
        return redirect("second-step")
    return _set_up(request, user, is_required=True)


def _begin_again(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        text = _("That took longer than 10 minutes. Sign in once more.")
        messages.error(request, text)
    return redirect("admin:login")


def _code_asked(request: HttpRequest, user: User, problem: str = "") -> HttpResponse:
    context = {"username": user.get_username(), "problem": problem}
    status = 400 if problem else 200
    return render(request, "people/second_step.html", context, status=status)


# --- On the page of one's account ---------------------------------------------------


@require_http_methods(["GET", "POST"])
@staff_form(lambda request: reverse("second-factor"))
def second_factor(request: HttpRequest) -> HttpResponse:
    """Set one's second factor up, remove it, or get new recovery codes for it."""
    user: Any = request.user
    if request.session.get(BACKEND_SESSION_KEY) != PASSWORD_BACKEND:
        return render(request, "people/second_factor.html", {"by_provider": True})
    if factor_of(user) is None:
        return _set_up(request, user)
    if request.method == "POST" and not {"remove", "renew"}.isdisjoint(request.POST):
        if problem := _unproved(request, user):
            return _shown(request, user, problem)
        return (_removed if "remove" in request.POST else _renewed)(request, user)
    return _shown(request, user)


def _shown(request: HttpRequest, user: User, problem: str = "") -> HttpResponse:
    factor: Any = factor_of(user)
    context = {
        "factor": factor,
        "left": factor.recovery_codes.count(),
        "must": must_have(user),
        "problem": problem,
    }
    status = 400 if problem else 200
    return render(request, "people/second_factor.html", context, status=status)


def _unproved(request: HttpRequest, user: User) -> str:
    """Return why what came does not prove that it is its owner's; empty where it does:
    somebody's open session is not enough, so the password and a code are asked for."""
    try:
        made = attempt(request, user.get_username())
        if not user.check_password(request.POST.get("password", "")):
            note_wrong_code(request, user, by="password")
            return _("The password is wrong.")
        made.forget()
        if use(user, request.POST.get("code", ""), _oneself(request, user)) is None:
            note_wrong_code(request, user)
            return _("This code is wrong, or was used before. Wait for the next one.")
    except TooManyAttempts as refused:
        return too_many(refused)
    except SecretKeyChanged:
        return _("The code can't be checked any more; use a recovery code.")
    return ""


def _removed(request: HttpRequest, user: User) -> HttpResponse:
    remove(user, _oneself(request, user), AuditEvent.Action.FACTOR_REMOVED)
    messages.success(request, _("Your second factor is removed."))
    return redirect("account")


def _renewed(request: HttpRequest, user: User) -> HttpResponse:
    codes = renew_recovery_codes(user, _oneself(request, user))
    if not codes:  # it was removed by another window meanwhile
        return redirect("second-factor")
    context = {"codes": codes, "back_to": reverse("account"), "are_renewed": True}
    return render(request, "people/recovery_codes.html", context)


# --- Setting one up -----------------------------------------------------------------


def _set_up(
    request: HttpRequest, user: User, *, is_required: bool = False
) -> HttpResponse:
    """Show a new key, and make it theirs once a code proves that they have it."""
    new = _new_key(request)
    context: dict[str, Any] = {"is_required": is_required, "username": user}
    if request.method == "POST" and "code" in request.POST:
        codes, problem = _confirmed(request, user, new, is_required=is_required)
        if codes:
            del request.session[NEW]
            back_to = finish(request, user) if is_required else reverse("account")
            context = {"codes": codes, "back_to": back_to}
            return render(request, "people/recovery_codes.html", context)
        context["problem"] = problem
    address = new.address(user, request.get_host())
    context |= {"key": new.as_text, "address": address, "picture": _picture(address)}
    status = 400 if "problem" in context else 200
    return render(request, "people/second_factor.html", context, status=status)


def _confirmed(
    request: HttpRequest, user: User, new: NewKey, *, is_required: bool
) -> tuple[list[str], str]:
    """Return the recovery codes of a key that was proved; or none, and why.

    The password is asked for where it was not given a moment ago: who finds an open
    session must not lock its owner out with a factor of his own.
    """
    try:
        if not is_required:
            made = attempt(request, user.get_username())
            if not user.check_password(request.POST.get("password", "")):
                note_wrong_code(request, user, by="password")
                return [], _("The password is wrong.")
            made.forget()
        codes = confirm(user, new, request.POST["code"], _oneself(request, user))
    except TooManyAttempts as refused:
        return [], too_many(refused)
    if codes is None:
        note_wrong_code(request, user)
        return [], _("This code is wrong. Is the clock of your phone right?")
    return codes, ""


def _new_key(request: HttpRequest) -> NewKey:
    """Return the session's new key, the same however often the page is loaded."""
    if NEW in request.session:
        factor_id, sealed_key = request.session[NEW]
        new = NewKey(uuid.UUID(factor_id), sealed_key)
        if new.is_readable:
            return new
    new = NewKey.made()
    request.session[NEW] = [str(new.factor_id), new.sealed_key]
    return new


def _picture(address: str) -> SafeString:
    """Return the QR code of an address, dark on light in either theme: cameras look for
    that."""
    import segno  # 20 ms, for a page that is seen once

    code = segno.make(address, error="m", micro=False)
    # Rectangles and numbers alone: nothing of the address is in it as text.
    return mark_safe(code.svg_inline(scale=5, border=4, dark="#000", light="#fff"))  # noqa: S308


def _oneself(request: HttpRequest, user: User) -> Actor:
    return Actor(user.get_username(), address_of(request))
