"""What is wrong with a schedule that somebody types, in words: the field of a cron
expression by its name, and time zones that are nearly called so."""

from difflib import get_close_matches
from zoneinfo import available_timezones

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tasks.catalog.cron import Cron, NotCron, UnknownZone, cron_of, zone_named

EVERY = ["*"] * 5
# Of each field, what it is called and what it takes.
FIELDS = (
    (gettext_lazy("minute"), "0–59"),
    (gettext_lazy("hour"), "0–23"),
    (gettext_lazy("day of the month"), "1–31, L"),
    (gettext_lazy("month"), "1–12, JAN–DEC"),
    (gettext_lazy("day of the week"), "0–7, SUN–SAT"),
)


def cron_problem(text: str) -> str:
    """Return what is wrong with a cron expression; "" where nothing is."""
    given = text.split()
    if len(given) != len(FIELDS):
        names = _(", ").join(str(name) for name, _takes in FIELDS)
        problem = _("It takes five fields (%(names)s); these are %(n)s.")
        return problem % {"names": names, "n": len(given)}
    for index, (name, takes) in enumerate(FIELDS):
        if not _is_good([*EVERY[:index], given[index], *EVERY[index + 1 :]]):
            problem = _(
                "The %(field)s “%(text)s” is none: it takes %(takes)s, *, lists (1,5), "
                "ranges (1-5) and steps (*/5)."
            )
            said = {"field": name, "text": given[index][:40], "takes": takes}
            return problem % said
    try:
        cron_of(" ".join(given), "UTC")
    except NotCron:
        return _("No day is like this, so it would never run.")
    return ""


def _is_good(fields: list[str]) -> bool:
    try:
        Cron(" ".join(fields), zone_named("UTC"))
    except NotCron:
        return False
    return True


def zone_problem(name: str) -> str:
    """Return what is wrong with a time zone's name; "" where nothing is."""
    try:
        zone_named(name)
    except UnknownZone:
        text = _("There is no time zone “%(name)s”.") % {"name": name[:64]}
        near = _near(name)
        more = _("Did you mean %(near)s?") if near else _("Use one such as %(near)s.")
        names = _(", ").join(near or ["Europe/Berlin", "Asia/Shanghai", "UTC"])
        return f"{text} {more % {'near': names}}"
    return ""


def _near(name: str) -> list[str]:
    """Return zones of nearly that name, whatever stands before the place."""
    zones = {zone.lower(): zone for zone in available_timezones()}
    places = {zone.rpartition("/")[2].lower(): zone for zone in zones.values()}
    typed = name.lower().replace(" ", "_")
    for known in (zones, places):
        if found := get_close_matches(typed, known, n=3, cutoff=0.75):
            return [known[one] for one in found]
    return []
