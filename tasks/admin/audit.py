"""The audit trail in the admin: searched, filtered, exported; changed by nobody."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from tasks.admin.audit_words import object_kind, said_object, said_verb, verb
from tasks.admin.filters import ActionFilter, ActorFilter
from tasks.admin.keyset_admin import LongList
from tasks.admin.read_only import NOTHING, exact_time
from tasks.models import AuditEvent
from tasks.presenters.names import person
from tasks.search import holding
from tasks.timestamps import iso

COLUMNS = (
    ("at", lambda event: iso(event.at)),
    ("actor", lambda event: event.actor),
    ("address", lambda event: event.address),
    ("action", lambda event: event.action),
    ("verb", verb),
    ("object", object_kind),
    ("target", lambda event: event.target),
    ("details", lambda event: json.dumps(event.details, ensure_ascii=False)),
)


@admin.register(AuditEvent)
class AuditEventAdmin(LongList):
    list_display = ("when", "who", "address", "did", "what", "about")
    list_display_links = ("when",)
    list_filter = (ActionFilter, ActorFilter, "at")
    date_hierarchy = "at"
    newest_by = None  # nothing is ever put in between
    search_fields = ("actor", "target")
    search_help_text = _("Part of a name, task ID or key")
    fields = ("whole_time", "who", "address", "did", "what", "all_details")
    export_columns = COLUMNS

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        text = search_term.strip()
        if text:
            names = ("actor", "target")
            actor, target = (holding(AuditEvent, name, text) for name in names)
            queryset = queryset.filter(actor | target)
        return queryset, False

    @admin.display(description=_("time"))
    def when(self, event: AuditEvent) -> SafeString:
        return exact_time(event.at)

    @admin.display(description=_("who"))
    def who(self, event: AuditEvent) -> str:
        return person(event.actor)

    @admin.display(description=_("time"))
    def whole_time(self, event: AuditEvent) -> SafeString:
        return format_html("{} · {}", exact_time(event.at), iso(event.at))

    @admin.display(description=_("action"))
    def did(self, event: AuditEvent) -> str:
        return said_verb(event)

    @admin.display(description=_("object"))
    def what(self, event: AuditEvent) -> SafeString | str:
        return said_object(event)

    @admin.display(description=_("details"))
    def about(self, event: AuditEvent) -> str:
        """In one line, as far as it goes."""
        details = dict(event.details)
        parts = [str(details.pop("type", "")), *map(str, values_of(details))]
        return " ".join(filter(None, parts))[:120] or NOTHING

    @admin.display(description=_("details"))
    def all_details(self, event: AuditEvent) -> SafeString:
        text = json.dumps(event.details, ensure_ascii=False, indent=2)
        return format_html("<pre>{}</pre>", text)


def values_of(details: dict[str, Any]) -> list[str]:
    params = details.pop("params", {})
    return [f"{name}={value}" for name, value in {**params, **details}.items() if value]
