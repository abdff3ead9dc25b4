"""Keyset pagination for long admin lists, newest first, without counting.

Counting what a filter finds, and walking past all earlier pages, is what makes an
admin slow; here each page is one look into an index, however long the list.
"""

from typing import Any

from django.contrib import admin
from django.contrib.admin import ShowFacets
from django.contrib.admin.helpers import ActionForm
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _

from tasks.admin.csv_export import Columns, csv_download
from tasks.admin.date_drilldown import Days
from tasks.admin.read_only import LookedAt
from tasks.keyset import Position, page_of


class LongChangeList(ChangeList):
    """Django's, but for how it gets its rows: ``newer`` and ``older`` are the query
    strings of the pages beside this one, None where there is none."""

    model_admin: "LongList"
    newer: str | None = None
    older: str | None = None
    # What Django's templates ask for.
    paginator = None
    multi_page = can_show_all = show_full_result_count = False
    show_admin_actions = True

    def get_results(self, request: HttpRequest) -> None:
        column, count = self.model_admin.newest_by, self.list_per_page
        position = self._position(request)
        page = page_of(self.queryset, column, position, count)
        if position and position.is_newer and page.newer is None:
            position = None  # that is the first page, which may have room for more
            page = page_of(self.queryset, column, None, count)
        self.result_list = page.rows
        # Nobody counts all; being the same, Django's templates offer no "select all".
        self.result_count = self.full_result_count = len(page.rows)
        self.is_first_page = position is None
        self.newer, self.older = self._link(page.newer), self._link(page.older)

    def _position(self, request: HttpRequest) -> Position | None:
        text = request.GET.get(PAGE_VAR)
        try:
            column = self.model_admin.newest_by
            return Position.parse(text, self.model, column) if text else None
        except ValueError as error:
            raise IncorrectLookupParameters from error

    def _link(self, position: Position | None) -> str | None:
        if position is None:
            return None
        return self.get_query_string({PAGE_VAR: str(position)})

    @property
    def first_page(self) -> str:
        return self.get_query_string()

    @property
    def days(self) -> Days:
        return Days(self)


class TickedRows(ActionForm):
    """What is done to the rows that were ticked, and never to all that a filter finds:
    nobody has seen those, nor how many they are."""

    def clean_select_across(self) -> bool:
        return False


class LongList(LookedAt):
    """A list that may have a hundred thousand rows and more."""

    change_list_template = "admin/long_list.html"
    list_per_page = 50
    show_facets = ShowFacets.NEVER  # each would be counted
    sortable_by = ()  # newest first is what the indexes have
    actions: Any = ("export_selected",)
    action_form = TickedRows
    export_columns: Columns
    newest_by: str | None  # a number; None where keys are in that order, too

    def get_changelist(
        self, request: HttpRequest, **options: Any
    ) -> type[LongChangeList]:
        return LongChangeList

    @property
    def export_url(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_export"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.export_view)
        return [path("export/", view, name=self.export_url), *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        url = reverse(f"admin:{self.export_url}")
        context = {**(extra_context or {}), "export_url": url}
        return super().changelist_view(request, context)

    def export_view(self, request: HttpRequest) -> StreamingHttpResponse:
        """All that the list's filters find, of every page."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            found = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters as error:
            raise BadRequest from error
        return self._export(found)

    @admin.action(description=_("Export selected rows as CSV"), permissions=["view"])
    def export_selected(
        self, request: HttpRequest, rows: QuerySet[Any]
    ) -> StreamingHttpResponse:
        return self._export(rows)

    def _export(self, rows: QuerySet[Any]) -> StreamingHttpResponse:
        name = str(self.opts.model_name)
        return csv_download(name, self.export_columns, rows, self.newest_by)
