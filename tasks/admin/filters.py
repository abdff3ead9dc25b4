"""What lists are filtered by, without a scan of the table for what there is."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from tasks.admin.places import rows_from
from tasks.catalog import catalog
from tasks.models import ApiKey, AuditEvent, Runner

NEWEST_ROWS = 200  # whose values are suggested


class Chosen(admin.SimpleListFilter):
    """One of a few values of the column that the parameter is called by."""

    parameter_name: str

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> QuerySet[Any] | None:
        value = self.value()
        return queryset.filter(**{self.parameter_name: value}) if value else None


class TypeFilter(Chosen):
    """By the types that are configured."""

    title = _("type")
    parameter_name = "type"

    def lookups(
        self, request: HttpRequest, model_admin: Any
    ) -> Sequence[tuple[str, str]]:
        return [(name, name) for name in catalog()]


class ActionFilter(Chosen):
    """By what is done; types that ask before they start are actions of their own."""

    title = _("action")
    parameter_name = "action"

    def lookups(
        self, request: HttpRequest, model_admin: Any
    ) -> Sequence[tuple[str, Any]]:
        types = [(kind.name, kind.name) for kind in catalog().values() if kind.confirm]
        return [*AuditEvent.Action.choices, *types]


class KeyStateFilter(Chosen):
    title = _("state")
    parameter_name = "state"

    def lookups(
        self, request: HttpRequest, model_admin: Any
    ) -> Sequence[tuple[str, Any]]:
        return ApiKey.State.choices


class RunnerStateFilter(Chosen):
    title = _("state")
    parameter_name = "state"

    def lookups(
        self, request: HttpRequest, model_admin: Any
    ) -> Sequence[tuple[str, Any]]:
        return Runner.State.choices


class TypedIn(Chosen):
    """Exactly what is typed in; the newest rows' values are suggested."""

    template = "admin/typed_in.html"

    def lookups(
        self, request: HttpRequest, model_admin: Any
    ) -> Sequence[tuple[str, str]]:
        rows = model_admin.model._default_manager.only(self.parameter_name)
        newest = rows_from(rows, model_admin.newest_by, None, NEWEST_ROWS)
        values = (getattr(row, self.parameter_name) for row in newest)
        found = [value for value in dict.fromkeys(values) if value]
        return [(value, value) for value in found] or [("", "")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        others = {**changelist.get_filters_params()}
        others.pop(self.parameter_name, None)
        if changelist.query:
            others[SEARCH_VAR] = [changelist.query]
        yield {
            "selected": bool(self.value()),
            "others": [(name, value) for name in others for value in others[name]],
            "clear": changelist.get_query_string(remove=[self.parameter_name]),
        }


class VersionFilter(TypedIn):
    title, parameter_name = _("version"), "version"


class PersonFilter(TypedIn):
    title, parameter_name = _("person"), "created_by"


class ActorFilter(TypedIn):
    title, parameter_name = _("person"), "actor"
