"""The admin's site: Django's, for those whom the groups let in."""

import functools
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import LoginView
from django.http import HttpRequest
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver, reverse
from django.utils.translation import gettext as _

from tasks.access.attempts import TooManyAttempts, attempt
from tasks.access.half_signed_in import sign_in_by_password
from tasks.access.rights import may_come_in, rights_of
from tasks.access.sign_in_audit import SignInForm, too_many

# Nothing here has fields that complete themselves, nor pages elsewhere; both views
# would look up whatever somebody writes into their addresses.
UNUSED = {"autocomplete", "view_on_site"}


class SignInView(LoginView):
    """Django's, which after the password may ask for more."""

    def form_valid(self, form: Any) -> Any:
        return sign_in_by_password(
            self.request, form.get_user(), self.get_success_url()
        )


class AdminSite(admin.AdminSite):
    login_form = SignInForm

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Django's page, with the way to the OpenID provider, where there is one; a
        right password may lead to a second step."""
        if request.method == "GET" and self.has_permission(request):
            return redirect("admin:index")
        context = {
            **self.each_context(request),
            "title": _("Log in"),
            "subtitle": None,
            "app_path": request.get_full_path(),
            "username": request.user.get_username(),
            "provider_name": settings.OIDC.name if settings.OIDC else "",
            **(extra_context or {}),
        }
        if not {REDIRECT_FIELD_NAME} & {*request.GET, *request.POST}:
            context[REDIRECT_FIELD_NAME] = reverse("admin:index")
        request.current_app = self.name
        view = SignInView.as_view(
            extra_context=context,
            authentication_form=self.login_form,
            template_name="admin/login.html",
        )
        return view(request)

    def has_permission(self, request: HttpRequest) -> bool:
        return bool(rights_of(request.user))

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """The view, for those who may come in; who is staff in no group is told why
        not, because signing in again would not help."""
        inner = super().admin_view(view, cacheable)

        @functools.wraps(inner)
        def checked(request: HttpRequest, *args: Any, **more: Any) -> Any:
            may_come_in(request.user)
            return inner(request, *args, **more)

        return checked

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Django's; the old password is tried no more often here than at the sign-in,
        by whoever has somebody's session."""
        if request.method != "POST":
            return super().password_change(request, extra_context)
        try:
            made = attempt(request, request.user.get_username())
        except TooManyAttempts as refused:
            messages.error(request, too_many(refused))
            return redirect("admin:password_change")
        answer = super().password_change(request, extra_context)
        if answer.status_code == HTTPStatus.FOUND:
            made.forget()
        return answer

    def get_urls(self) -> list[URLPattern | URLResolver]:
        urls = super().get_urls()
        return [url for url in urls if getattr(url, "name", None) not in UNUSED]
