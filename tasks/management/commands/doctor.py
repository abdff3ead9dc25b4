"""``manage.py doctor``: what is wrong with this installation, and what to do."""

import argparse
import os
import sys
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.http.request import validate_host
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from tasks.doctor import database, machine, public_url, runners, services
from tasks.doctor.examination import Examined, Part, counts_of, examine, exit_code_of
from tasks.doctor.findings import State
from tasks.management.options import TaskCommand
from tasks.own_url import own_url

SIGNS = {
    State.OK: "✓", State.WARNING: "!", State.PROBLEM: "✗", State.SKIPPED: "–",
}  # fmt: skip
LISTENS_SECONDS = 35  # two signs of life


class Command(TaskCommand):
    help = (
        "Look at all that the service stands on, and say what to do where something is "
        "wrong. Exit code: 0 all is well, 1 warnings, 2 problems."
    )
    # What is wrong with the settings is one of its findings.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--only",
            type=_names,
            metavar="CHECK,…",
            help=f"look at these alone: {', '.join(CHECKS)}",
        )
        parser.add_argument(
            "--url", type=_url, help="the address by which people reach the service"
        )
        parser.add_argument(
            "--seconds",
            type=_seconds,
            default=LISTENS_SECONDS,
            help="seconds that it listens to a stream (%(default)s); more of them show "
            "what cuts streams off",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        url = options["url"] or own_url()
        parts = parts_of(url.rstrip("/"), options["seconds"])
        wanted = options["only"] or list(parts)
        chosen = {name: part for name, part in parts.items() if name in wanted}
        examined = []
        with translation.override(language()):
            for one in examine(chosen, language()):
                examined.append(one)
                self._tell(one, as_json=options["json"])
            counts = counts_of(examined)
            if options["json"]:
                self.say_json({"summary": counts, "exitCode": exit_code_of(counts)})
            else:
                self.say(_summary(counts))
        if code := exit_code_of(counts):
            sys.exit(code)

    def _tell(self, one: Examined, *, as_json: bool) -> None:
        for finding in one.findings:
            if as_json:
                told = {"state": finding.state.value, "text": finding.text}
                self.say_json({"check": one.name, **told, "advice": finding.advice})
                continue
            text = finding.text
            if finding.state is State.SKIPPED:
                text = _("not looked at: %(why)s") % {"why": text}
            self.say(f"[{SIGNS[finding.state]}] {one.name}: {text}")
            if finding.advice:
                self.say(f"    → {finding.advice}")


def parts_of(url: str, seconds: int) -> dict[str, Part]:
    """Return all that is looked at, by name, in the order in which it is told."""
    listens = partial(public_url.stream, url, seconds)
    return {
        "settings": Part(machine.own_settings),
        "database": Part(database.database),
        "migrations": Part(database.applied_migrations, needs_database=True),
        "news": Part(database.news, needs_database=True),
        "clock": Part(database.clock, needs_database=True),
        "runner": Part(runners.runners, needs_database=True),
        "types": Part(runners.types, needs_database=True),
        "keys": Part(services.keys, needs_database=True),
        "disk": Part(machine.disks),
        "size": Part(machine.database_size, needs_database=True),
        "files": Part(machine.files),
        "units": Part(machine.units),
        "redis": Part(services.redis),
        "store": Part(services.stores, services.PROBE_SECONDS + 10),
        "store-clock": Part(services.store_clock),
        "oidc": Part(services.provider),
        "web": Part(public_url.web),
        "tls": Part(partial(public_url.tls, url)),
        "stream": Part(listens, seconds + 20, needs_database=True),
    }


CHECKS = tuple(parts_of("", 0))


def language() -> str:
    """Return the reader's language (POSIX: the first of these that is set)."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return "zh-hans" if value.lower().startswith("zh") else "en"
    return "en"


def _summary(counts: dict[str, int]) -> str:
    if not (counts["ok"] or counts["warning"] or counts["problem"]):
        return _("Nothing was looked at, which says nothing of the service.")
    problems = ngettext("%(count)s problem", "%(count)s problems", counts["problem"])
    warnings = ngettext("%(count)s warning", "%(count)s warnings", counts["warning"])
    return _("%(problems)s, %(warnings)s; %(ok)s well, %(skipped)s not looked at.") % {
        "problems": problems % {"count": counts["problem"]},
        "warnings": warnings % {"count": counts["warning"]},
        "ok": counts["ok"],
        "skipped": counts["skipped"],
    }


def _names(raw: str) -> list[str]:
    names = [name.strip() for name in raw.split(",") if name.strip()]
    if unknown := [name for name in names if name not in CHECKS]:
        there = ", ".join(CHECKS)
        raise argparse.ArgumentTypeError(f"no check {unknown[0]!r}; there are: {there}")
    return names


def _url(raw: str) -> str:
    """An address of the service: it is sent what opens a stream."""
    parts = urlsplit(raw)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise argparse.ArgumentTypeError(f"{raw!r} is no address like https://…")
    if not validate_host(parts.hostname, settings.ALLOWED_HOSTS):
        raise CommandError(
            f"{parts.hostname} is not in ALLOWED_HOSTS, so the service does not answer "
            "to it; add it, or give another --url."
        )
    return f"{parts.scheme}://{parts.netloc}"


def _seconds(raw: str) -> int:
    if not raw.isdecimal() or not 1 <= int(raw) <= 86_400:
        raise argparse.ArgumentTypeError(f"{raw!r} is no number from 1 to 86400")
    return int(raw)
