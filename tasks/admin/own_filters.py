"""What a list in the admin can be asked: exactly what its page offers.

Django's own takes any lookup on a model's fields from the address. By
``params__token__startswith`` a secret was read letter by letter, and by a regular
expression the server was stopped; so whatever is not offered reaches no database.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.filters import FieldListFilter
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import (
    IS_POPUP_VAR,
    TO_FIELD_VAR,
    IncorrectLookupParameters,
)
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.admin.views.main import (
    ALL_VAR,
    ERROR_FLAG,
    ORDER_VAR,
    PAGE_VAR,
    SEARCH_VAR,
)
from django.core.exceptions import ValidationError
from django.db.models import BooleanField, DateField, Field
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Any]
else:  # generic for the type checker only
    AnyModelAdmin = admin.ModelAdmin

LONGEST_TEXT = 200  # of a search; each word is a part of the statement
YEARS = range(2, 9_999)  # of which time zones and the year after are years, too

Takes = Callable[[str], bool]


def is_text(value: str) -> bool:
    """Return whether every database takes it: no NUL, no half of a surrogate pair."""
    if len(value) > LONGEST_TEXT or "\0" in value:
        return False
    return not any("\ud800" <= letter <= "\udfff" for letter in value)


def is_moment(value: str) -> bool:
    """Return whether it is a time as the links of a list have it, with its offset."""
    try:
        moment = parse_datetime(value)
    except ValueError:
        return False
    return moment is not None and moment.tzinfo is not None and moment.year in YEARS


def one_of(*values: object) -> Takes:
    known = {str(value) for value in values}
    return lambda value: value in known


def number_in(numbers: range) -> Takes:
    return lambda value: (
        bool(re.fullmatch("[0-9]{1,4}", value)) and int(value) in numbers
    )


CONTROLS: dict[str, Takes] = {
    SEARCH_VAR: is_text,
    PAGE_VAR: is_text,
    # Columns by number; more than a screen has would be more than a statement holds.
    ORDER_VAR: lambda value: bool(
        re.fullmatch(r"(-?\d{1,2}(\.|$)){0,20}", value, re.A)
    ),
    ALL_VAR: one_of("", "1"),
    "_facets": one_of("True"),
    IS_POPUP_VAR: one_of("1"),
    TO_FIELD_VAR: is_text,
}
OF_A_DAY = {"year": YEARS, "month": range(1, 13), "day": range(1, 32)}


class OwnFilters(AnyModelAdmin):
    """A list that takes its own filters with values that they have, search, order and
    pages; whatever else leads to the whole list, and a message."""

    def query_parameters(self, request: HttpRequest) -> dict[str, Takes]:
        """Return what the list can be asked, each with what it takes."""
        found: dict[str, Takes] = {**CONTROLS}
        filters: list[Any] = [*self.get_list_filter(request)]
        for one in filters:
            if isinstance(one, str):
                found |= self._of_field(request, one)
            else:
                found[one.parameter_name] = one.takes
        if day := self.date_hierarchy:
            found |= {f"{day}__{part}": number_in(OF_A_DAY[part]) for part in OF_A_DAY}
        return found

    def _of_field(self, request: HttpRequest, path: str) -> dict[str, Takes]:
        field = get_fields_from_path(self.model, path)[-1]
        made: Any = FieldListFilter.create(
            field, request, {}, self.model, self, field_path=path
        )
        takes = _values_of(field, made)
        return {
            name: one_of("True", "False") if name.endswith("__isnull") else takes
            for name in made.expected_parameters()
        }

    def lookup_allowed(
        self, lookup: str, value: str, request: HttpRequest | None = None
    ) -> bool:
        return request is not None and lookup in self.query_parameters(request)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        self._check(request)
        return super().get_changelist_instance(request)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            self._check(request)
        except IncorrectLookupParameters:
            return _whole_list(request)
        # Django's answer to a page that is none: the flag for an error.
        answer = super().changelist_view(request, extra_context)
        if answer.get("Location", "").endswith(f"?{ERROR_FLAG}=1"):
            return _whole_list(request)
        return answer

    def _check(self, request: HttpRequest) -> None:
        """Raise IncorrectLookupParameters where anything is asked that is not offered,
        or rows are ticked that can't be any."""
        given = dict(request.GET.lists())
        if [*given] == [ERROR_FLAG]:
            return
        known = self.query_parameters(request)
        for name, values in given.items():
            if len(values) != 1 or name not in known or not known[name](values[0]):
                raise IncorrectLookupParameters(name)
        if day := self.date_hierarchy:
            parts = [f"{day}__{part}" in given for part in OF_A_DAY]
            if parts != sorted(parts, reverse=True):  # no month without its year
                raise IncorrectLookupParameters(day)
        for ticked in request.POST.getlist(ACTION_CHECKBOX_NAME):
            try:
                self.opts.pk.clean(ticked, None)
            except ValidationError as error:
                raise IncorrectLookupParameters(ACTION_CHECKBOX_NAME) from error


def _values_of(field: "Field[Any, Any]", made: Any) -> Takes:
    """Return what a field's filter takes: what it offers, or for a time any time."""
    if isinstance(field, DateField):
        return is_moment
    if isinstance(field, BooleanField):
        return one_of("0", "1")
    if field.flatchoices:
        return one_of(*(value for value, _label in field.flatchoices))
    return one_of(*(value for value, _label in made.lookup_choices))


def _whole_list(request: HttpRequest) -> HttpResponse:
    """Lead to the list without any filter, and say so."""
    text = (
        _("Nothing was done: the list has no such rows or filters.")
        if request.method == "POST"
        else _("This is the whole list: it has no such filter, or no such value of it.")
    )
    messages.warning(request, text)
    return HttpResponseRedirect(f"{request.path}?{ERROR_FLAG}=1")
