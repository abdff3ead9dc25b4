"""Query parameters: what they may say, and one error for each that says otherwise."""

from collections.abc import Callable
from datetime import UTC, datetime, time
from typing import TypeVar

from django.http import QueryDict
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _

from tasks.catalog.task_type import ParameterErrors
from tasks.keyset import Position
from tasks.localized import localized
from tasks.reasons import Reason
from tasks.search import MAX_TEXT_LENGTH

MAX_SEQ = 2**53 - 1  # the largest whole number that is exact in JavaScript
# Room to count on from there: the last representable day has no next millisecond.
FAR_FUTURE = datetime(9999, 1, 1, tzinfo=UTC)


T = TypeVar("T")


class Query:
    """Reads query parameters and collects what is wrong with them.

    Names nobody asks for are ignored. Call ``check`` when all has been read.
    """

    def __init__(self, given: QueryDict) -> None:
        self.given = given
        self.errors: dict[str, list[str]] = {}

    def check(self) -> None:
        """Raises ParameterErrors, naming every parameter that is wrong."""
        if self.errors:
            raise ParameterErrors(self.errors)

    def read(self, name: str, parse: Callable[[str], T], default: T) -> T:
        raw = self.given.get(name, "")
        if not raw:
            return default
        try:
            if "\0" in raw:
                raise ValueError(_("Must be text."))
            return parse(raw)
        except ValueError as error:
            self.errors[name] = [str(error)]
            return default

    def number(self, name: str, default: int, least: int, most: int) -> int:
        def parse(raw: str) -> int:
            is_number = raw.isascii() and raw.isdecimal() and len(raw) <= 20
            if not is_number or not least <= int(raw) <= most:
                raise ValueError(
                    _("Must be a whole number from %(least)s to %(most)s.")
                    % {"least": least, "most": most}
                )
            return int(raw)

        return self.read(name, parse, default)

    def text(self, name: str) -> str:
        def parse(raw: str) -> str:
            if len(raw) > MAX_TEXT_LENGTH:
                raise ValueError(localized(Reason("too-long", limit=MAX_TEXT_LENGTH)))
            return raw

        return self.read(name, parse, "")

    def moment(self, name: str) -> datetime | None:
        """A time, cut to milliseconds, which is what our own answers show."""
        return self.read(name, _moment, None)

    def choice(self, name: str, there_are: list[str]) -> str:
        """One of some words, or none."""

        def parse(raw: str) -> str:
            if raw not in there_are:
                problem = Reason("not-a-choice", choices=", ".join(there_are))
                raise ValueError(localized(problem))
            return raw

        return self.read(name, parse, "")

    def choices(self, name: str, there_are: list[str]) -> list[str]:
        """Any of some words, given with commas between or several times."""
        words = ",".join(self.given.getlist(name)).split(",")
        words = [word.strip() for word in words if word.strip()]
        if not set(words) <= set(there_are):
            problem = Reason("not-a-choice", choices=", ".join(there_are))
            self.errors[name] = [localized(problem)]
        return words

    def cursor(self, name: str = "cursor") -> Position | None:
        return self.read(name, Position.of_cursor, None)


def _moment(raw: str) -> datetime:
    # A "+" that was not escaped arrives as a space.
    text = raw.strip().replace(" ", "+") if "T" in raw else raw.strip()
    try:
        moment = parse_datetime(text)
        if moment is None and (date := parse_date(text)):
            moment = datetime.combine(date, time(), UTC)
        if moment is None:
            raise ValueError
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
        if moment > FAR_FUTURE:
            raise ValueError
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    except (ValueError, OverflowError) as error:
        raise ValueError(
            _("Must be a time in ISO 8601, e.g. 2025-11-26T10:30:01.234Z.")
        ) from error
