"""The admin's way out for who has lost phone and recovery codes."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tasks.access.second_factor import remove
from tasks.access.staff import actor
from tasks.models import AuditEvent

if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Any]
else:  # generic for the type checker only
    AnyModelAdmin = admin.ModelAdmin


class FactorReset(AnyModelAdmin):
    """An action on accounts: their second factors are taken away, after a question."""

    actions = ("reset_second_factor",)

    @admin.display(description=_("second factor"), boolean=True)
    def has_factor(self, user: Any) -> bool:
        return hasattr(user, "second_factor")  # fetched with the list

    @admin.action(description=_("Reset second factor"), permissions=["change"])
    def reset_second_factor(
        self, request: HttpRequest, users: QuerySet[Any]
    ) -> HttpResponse | None:
        """Asks first; the answer comes as ``sure``."""
        if "sure" in request.POST:
            for user in users:
                self._reset(request, user)
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Reset the second factor of these accounts?"),
            "opts": self.opts,
            "users": users,
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/auth/user/reset_factor.html", context)

    def _reset(self, request: HttpRequest, user: Any) -> None:
        name = {"name": user.get_username()}
        if user == request.user:
            text = gettext("Your own second factor you remove under “Your account”.")
            messages.error(request, text)
        elif not self.has_change_permission(request, user):
            text = gettext("Only a superuser resets the second factor of %(name)s.")
            messages.error(request, text % name)
        elif remove(user, actor(request), AuditEvent.Action.FACTOR_RESET):
            text = gettext("The second factor of %(name)s is reset.")
            messages.success(request, text % name)
        else:
            text = gettext("There is no second factor of %(name)s.")
            messages.warning(request, text % name)
