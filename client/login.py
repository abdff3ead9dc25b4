"""``login``, and whether the client fits its service."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace

from client.account import (
    KEY_VARIABLE,
    URL_VARIABLE,
    Account,
    checked_key,
    checked_url,
    keep,
    kept_account,
)
from client.errors import COMPLETED, USAGE, Stop
from client.made_for import SERVICE, VERSION
from client.service import CUT, Answer, Service
from client.tasks import secret
from client.terminal import Screen
from client.words import words


def login(screen: Screen, options: Namespace) -> int:
    """Keep URL and key once the service has taken them."""
    default = options.url or os.environ.get(URL_VARIABLE) or SERVICE
    if not default and sys.stdin.isatty():
        default = input(words("URL of the service: "))
    if not default:
        raise Stop(words("Say which service: resource-sync login URL"), USAGE)
    url = checked_url(default)
    if url.startswith("http://") and not is_local(url):
        screen.note(words("Over http:// everybody on the way can read the key."))
    text = words("Key for {url} (from its administration, API keys): ")
    key = os.environ.get(KEY_VARIABLE) or secret(text.format(url=url))
    account = Account(url, checked_key(key))
    service = Service(account, screen.note, 0 if options.patience is None else None)
    service.ask("GET", "/api/task-types")
    text = words("Logged in to {url}; the key is kept in {file}.")
    screen.note(text.format(url=url, file=keep(account)))
    warn_of_another_version(service, screen)
    return COMPLETED


def is_local(url: str) -> bool:
    hosts = ("http://127.", "http://localhost", "http://[::1]")
    return url.startswith(hosts)


def version_of(service: Service) -> str:
    """Return the service's version; empty where it can't be asked."""
    try:
        with service.open("GET", "/health/live", seconds=5) as response:
            return str(json.loads(response.read())["version"])
    except (Answer, *CUT, ValueError, KeyError, TypeError):
        return ""


def warn_of_another_version(service: Service, screen: Screen) -> None:
    theirs = version_of(service)
    if theirs and VERSION and not fits(theirs):
        text = words("The service is {theirs}, this client {ours}. Get the new one: ")
        command = f"curl -fsSo resource-sync {service.url}/client"
        screen.note(text.format(theirs=theirs, ours=VERSION) + command)


def fits(theirs: str) -> bool:
    """Return whether a service does what this client asks: what comes in a patch
    changes nothing between them."""
    return theirs.split(".")[:2] == VERSION.split(".")[:2]


def version(screen: Screen) -> int:
    """Print the client's version, and say where it does not fit the service."""
    screen.say(f"resource-sync {VERSION or words('from the source')}")
    url = os.environ.get(URL_VARIABLE) or getattr(kept_account(), "url", "") or SERVICE
    if url:
        service = Service(Account(checked_url(url), ""), screen.note, 0)
        if theirs := version_of(service):
            screen.say(f"{url} {theirs}")
        warn_of_another_version(service, screen)
    return COMPLETED
