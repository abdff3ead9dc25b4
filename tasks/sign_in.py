"""The one-time link by which whoever started the product signs in, as Jupyter's."""

from django.contrib.auth import get_user_model, login
from django.contrib.auth.models import User
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from tasks.sign_in_watch import note_bad_link


class SignInTokens(PasswordResetTokenGenerator):
    """Tokens that die with the next sign-in, however soon it comes."""

    key_salt = "tasks.sign_in.SignInTokens"

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        # The parent cuts last_login to seconds: two sign-ins within one would leave
        # the first token alive.
        return f"{super()._make_hash_value(user, timestamp)}{user.last_login}"


tokens = SignInTokens()


def sign_in_link(user: User, base_url: str) -> str:
    """An absolute link that signs this user in once. ``base_url`` ends in no slash."""
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    return base_url + reverse("sign-in", args=[uid, tokens.make_token(user)])


# HEAD is refused, so that a program looking at the link does not use it up.
@require_GET
@never_cache
def sign_in(request: HttpRequest, uidb64: str, token: str) -> HttpResponse:
    user = _use(uidb64, token)
    if user is None:
        note_bad_link(request)
        return render(request, "sign_in_failed.html", status=403)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return redirect("console")


def _use(uidb64: str, token: str) -> User | None:
    """The user whom the link is for, if it is good; from now on it is not."""
    users = get_user_model().objects.filter(is_active=True, is_staff=True)
    try:
        uid = urlsafe_base64_decode(uidb64).decode()
        with transaction.atomic():
            user = users.select_for_update().get(pk=uid)
            if not tokens.check_token(user, token):
                return None
            user.last_login = timezone.now()
            user.save(update_fields=["last_login"])
            return user
    except (ValueError, OverflowError, users.model.DoesNotExist):
        return None
