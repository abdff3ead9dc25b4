"""What lists are filtered by, without a scan of the table for what there is."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR
from django.db.models import Q, QuerySet, TextChoices, Value
from django.db.models.functions import Concat
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from tasks.admin.own_filters import is_text
from tasks.catalog.loader import catalog
from tasks.keyset import rows_from
from tasks.models import ApiKey, AuditEvent, Runner, Webhook, WebhookDelivery
from tasks.presenters.names import person

NEWEST_ROWS = 200  # whose values are suggested


class Chosen(admin.SimpleListFilter):
    """One of a few values of the column that the parameter is called by."""

    parameter_name: str

    @classmethod
    def offered(cls) -> Sequence[tuple[str, Any]]:
        """Return the values, each with its name."""
        raise NotImplementedError

    @classmethod
    def takes(cls, value: str) -> bool:
        """Return whether it is one of the values that are offered, or none of them."""
        return value in {"", *(one for one, _label in cls.offered())}

    def lookups(
        self, request: HttpRequest, model_admin: Any
    ) -> Sequence[tuple[str, Any]]:
        return self.offered()

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> QuerySet[Any] | None:
        value = self.value()
        return queryset.filter(**{self.parameter_name: value}) if value else None


class TypeFilter(Chosen):
    """By the types that are configured."""

    title = _("type")
    parameter_name = "type"

    @classmethod
    def offered(cls) -> Sequence[tuple[str, Any]]:
        return [(name, name) for name in catalog()]


class ActionFilter(Chosen):
    """By what is done; types that ask before they start are actions of their own."""

    title = _("action")
    parameter_name = "action"

    @classmethod
    def offered(cls) -> Sequence[tuple[str, Any]]:
        types = [(kind.name, kind.name) for kind in catalog().values() if kind.confirm]
        return [*AuditEvent.Action.choices, *types]


class StateFilter(Chosen):
    """By the state of something that has one."""

    title = _("state")
    parameter_name = "state"
    states: type[TextChoices]

    @classmethod
    def offered(cls) -> Sequence[tuple[str, Any]]:
        return cls.states.choices


class KeyStateFilter(StateFilter):
    states = ApiKey.State


class KeyScopeFilter(Chosen):
    """By one of a key's scopes; ``start`` finds those that start one type, too."""

    title = _("scope")
    parameter_name = "scope"

    @classmethod
    def offered(cls) -> Sequence[tuple[str, Any]]:
        return ApiKey.Scope.choices

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> QuerySet[Any] | None:
        value = self.value()
        if not value:
            return None
        among = Concat(Value(" "), "scope", Value(" "))
        found = Q(among__contains=f" {value} ") | Q(among__contains=f" {value}:")
        keys: QuerySet[Any] = queryset.annotate(among=among)
        return keys.filter(found)


class RunnerStateFilter(StateFilter):
    states = Runner.State


class DeliveryStateFilter(StateFilter):
    states = WebhookDelivery.State


class WebhookFilter(Chosen):
    title = _("webhook")
    parameter_name = "webhook"

    @classmethod
    def offered(cls) -> Sequence[tuple[str, Any]]:
        return [(str(one.pk), str(one)) for one in Webhook.objects.all()]


class TypedIn(Chosen):
    """Exactly what is typed in; the newest rows' values are suggested."""

    template = "admin/typed_in.html"

    @classmethod
    def takes(cls, value: str) -> bool:
        return is_text(value)

    def lookups(
        self, request: HttpRequest, model_admin: Any
    ) -> Sequence[tuple[str, str]]:
        rows = model_admin.model._default_manager.only(self.parameter_name)
        newest = rows_from(rows, model_admin.newest_by, None, NEWEST_ROWS)
        values = (getattr(row, self.parameter_name) for row in newest)
        found = [value for value in dict.fromkeys(values) if value]
        return [(value, person(value)) for value in found] or [("", "")]

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
