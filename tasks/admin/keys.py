"""API keys in the admin: made, shown once, revoked."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tasks.admin.looked_at import LookedAt, time_ago
from tasks.keys import make_key, revoke_key
from tasks.models import ApiKey
from tasks.pages.staff import actor


@admin.register(ApiKey)
class ApiKeyAdmin(LookedAt):
    list_display = ("name", "start", "created", "used", "revoked")
    search_fields = ("name", "prefix")
    actions = ("revoke_selected",)
    change_form_template = "admin/tasks/apikey/change_form.html"
    fields = ("name", "prefix", "created_at", "last_used_at", "revoked_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tasks.add_apikey")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tasks.change_apikey")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.fields if obj else ("name",)

    @admin.display(description=_("prefix"), ordering="prefix")
    def start(self, key: ApiKey) -> str:
        return f"{key.prefix}…"

    @admin.display(description=_("created"), ordering="created_at")
    def created(self, key: ApiKey) -> SafeString | str:
        return time_ago(key.created_at)

    @admin.display(description=_("last used"), ordering="last_used_at")
    def used(self, key: ApiKey) -> SafeString | str:
        return time_ago(key.last_used_at) if key.last_used_at else gettext("never")

    @admin.display(description=_("revoked"), ordering="revoked_at")
    def revoked(self, key: ApiKey) -> SafeString | str:
        return time_ago(key.revoked_at)

    def save_model(
        self, request: HttpRequest, obj: Any, form: "ModelForm[Any]", change: bool
    ) -> None:
        made, secret = make_key(obj.name, actor(request))
        obj.pk, obj.prefix = made.pk, made.prefix
        request.new_key = secret  # type: ignore[attr-defined]  # for response_add

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Shown in the answer itself: a message would pass through a cookie or the
        session's table, and be kept there."""
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("The key for %(name)s") % {"name": obj.name},
            "opts": self.opts,
            "secret": request.new_key,  # type: ignore[attr-defined]
        }
        return TemplateResponse(request, "admin/tasks/apikey/made.html", context)

    @admin.action(description=_("Revoke selected keys"), permissions=["revoke"])
    def revoke_selected(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> None:
        for key in keys:
            revoke(request, key)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.revoke_view)
        return [
            path("<int:pk>/revoke/", view, name="tasks_apikey_revoke"),
            *super().get_urls(),
        ]

    def revoke_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not self.has_revoke_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            revoke(request, get_object_or_404(ApiKey, pk=pk))
        return redirect("admin:tasks_apikey_changelist")

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        *args: Any,
        **kwargs: Any,
    ) -> HttpResponse:
        context["may_revoke"] = self.has_revoke_permission(request)
        return super().render_change_form(request, context, *args, **kwargs)


def revoke(request: HttpRequest, key: ApiKey) -> None:
    """From now on the key opens nothing; says so, also where it did already."""
    if revoke_key(key, actor(request)):
        text = gettext("%(key)s is revoked: it opens nothing any more.")
        messages.success(request, text % {"key": key})
    else:
        text = gettext("%(key)s was revoked before.")
        messages.warning(request, text % {"key": key})
