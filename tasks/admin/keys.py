"""API keys in the admin: made, shown once, revoked."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tasks.access.api_keys import end_of_day, make_key, revoke_key
from tasks.access.staff import actor
from tasks.admin.filters import KeyScopeFilter, KeyStateFilter
from tasks.admin.key_form import NewKeyForm
from tasks.admin.read_only import NOTHING, LookedAt, marked, time_ago
from tasks.models import ApiKey, Task

# Each with the colour of a task's status that means as much.
SHAPES = {
    ApiKey.State.USABLE: ("●", Task.Status.COMPLETED),
    ApiKey.State.EXPIRED: ("✕", Task.Status.FAILED),
    ApiKey.State.REVOKED: ("⊘", Task.Status.CANCELLED),
}


@admin.register(ApiKey)
class ApiKeyAdmin(LookedAt):
    list_display = (
        "name", "start", "state", "scope", "expires", "used", "used_from", "from_where",
        "created",
    )  # fmt: skip
    list_filter = (KeyStateFilter, KeyScopeFilter)
    search_fields = ("name", "prefix")
    actions = ("revoke_selected",)
    add_form_template = "admin/tasks/apikey/add_form.html"
    change_form_template = "admin/tasks/apikey/change_form.html"
    fields = (
        "name", "start", "state", "scope", "expires_at", "from_where", "created_at",
        "last_used_at", "used_from", "revoked_at",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        return ApiKey.objects.with_state()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tasks.add_apikey")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tasks.change_apikey")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.fields if obj else ("name", "scope", "last_day", "networks")

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **more: Any
    ) -> type["ModelForm[Any]"]:
        return super().get_form(request, obj, change, **more) if obj else NewKeyForm

    @admin.display(description=_("prefix"), ordering="prefix")
    def start(self, key: ApiKey) -> str:
        return f"{key.prefix}…"

    @admin.display(description=_("state"), ordering="state")
    def state(self, key: Any) -> SafeString:
        state = ApiKey.State(key.state)
        shape, colour = SHAPES[state]
        return marked(shape, state.label, colour)

    @admin.display(description=_("created"), ordering="created_at")
    def created(self, key: ApiKey) -> SafeString | str:
        return time_ago(key.created_at)

    @admin.display(description=_("expires"), ordering="expires_at")
    def expires(self, key: ApiKey) -> str:
        return (
            f"{key.expires_at:%Y-%m-%d %H:%M}" if key.expires_at else gettext("never")
        )

    @admin.display(description=_("last used"), ordering="last_used_at")
    def used(self, key: ApiKey) -> SafeString | str:
        return time_ago(key.last_used_at) if key.last_used_at else gettext("never")

    @admin.display(description=_("last used from"), ordering="last_used_from")
    def used_from(self, key: ApiKey) -> str:
        return key.last_used_from or NOTHING

    @admin.display(description=_("addresses"))
    def from_where(self, key: ApiKey) -> str:
        return key.networks or gettext("any")

    def save_model(
        self, request: HttpRequest, obj: Any, form: "ModelForm[Any]", change: bool
    ) -> None:
        asked = form.cleaned_data
        day = asked["last_day"]
        made, secret = make_key(
            asked["name"],
            actor(request),
            scope=" ".join(asked["scope"]),
            expires_at=end_of_day(day) if day else None,
            networks=asked["networks"],
        )
        obj.pk, obj.prefix = made.pk, made.prefix
        request.new_key = secret  # type: ignore[attr-defined]  # for response_add

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Shown in the answer itself: a message would pass through a cookie or the
        session's table, and be kept there."""
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("API key for %(name)s") % {"name": obj.name},
            "opts": self.opts,
            "secret": request.new_key,  # type: ignore[attr-defined]
        }
        return TemplateResponse(request, "admin/tasks/apikey/made.html", context)

    @admin.action(description=_("Revoke selected keys"), permissions=["revoke"])
    def revoke_selected(
        self, request: HttpRequest, keys: QuerySet[ApiKey]
    ) -> HttpResponse | None:
        """Asks first; the answer comes as ``sure``. A key's own page asks here, too."""
        if "sure" in request.POST:
            for key in keys:
                revoke(request, key)
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Revoke permanently?"),
            "opts": self.opts,
            "keys": keys,
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/tasks/apikey/revoke.html", context)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        *args: Any,
        **kwargs: Any,
    ) -> HttpResponse:
        context["may_revoke"] = self.has_revoke_permission(request)
        context["checkbox"] = ACTION_CHECKBOX_NAME
        return super().render_change_form(request, context, *args, **kwargs)


def revoke(request: HttpRequest, key: ApiKey) -> None:
    """From now on the key opens nothing; says so, also where it did already."""
    if revoke_key(key, actor(request)):
        text = gettext("%(key)s is revoked and no longer works.")
        messages.success(request, text % {"key": key})
    else:
        text = gettext("%(key)s was already revoked.")
        messages.warning(request, text % {"key": key})
