"""What is done to accounts and groups in the admin, written into the audit trail."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest

from tasks.access.actor import record
from tasks.access.staff import actor

if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Any]
else:  # generic for the type checker only
    AnyModelAdmin = admin.ModelAdmin


class WrittenDown(AnyModelAdmin):
    """Additions, changes and deletions become audit events: ``user.add``, …"""

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._record(request, "add", obj)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._record(request, "change", obj)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        for one in queryset:
            self._record(request, "delete", one)
        return super().log_deletions(request, queryset)

    def _record(self, request: HttpRequest, verb: str, one: Any) -> None:
        action = f"{self.opts.model_name}.{verb}"
        record(actor(request), action, one, **_now(one))


def _now(one: Any) -> dict[str, Any]:
    """Return what an account may do after the change; nothing more for a group."""
    if not isinstance(one, User):
        return {}
    flags = ("is_active", "is_staff", "is_superuser")
    return {
        "may": [flag.removeprefix("is_") for flag in flags if getattr(one, flag)],
        "groups": sorted(one.groups.values_list("name", flat=True)),
    }
