"""The program: a command line in, an exit code out."""

from __future__ import annotations

import os
import sys

from client.account import known_account
from client.completion import SCRIPTS, candidates
from client.errors import CANCELLED, COMPLETED, NOBODY_READS, Stop
from client.login import login, version
from client.options import parsed
from client.releases import changes, releases
from client.service import CUT, Service
from client.tasks import (
    approve,
    cancel,
    follow,
    list_tasks,
    logs,
    reject,
    rerun,
    start,
    types,
)
from client.terminal import Screen

COMMANDS = {
    "types": types,
    "start": start,
    "follow": follow,
    "list": list_tasks,
    "logs": logs,
    "cancel": cancel,
    "rerun": rerun,
    "approve": approve,
    "reject": reject,
    "releases": releases,
    "changes": changes,
}


def run(arguments: list[str]) -> int:
    """Do what a command line says. Raises Stop."""
    if arguments[:2] == ["complete", "--"]:
        for candidate in candidates(arguments[2:]):
            print(candidate)
        return COMPLETED
    options = parsed(arguments)
    screen = Screen(as_json=getattr(options, "json", False))
    if options.version:
        return version(screen)
    if options.command == "login":
        return login(screen, options)
    if options.command == "completion":
        screen.say(SCRIPTS[options.shell].rstrip())
        return COMPLETED
    service = Service(known_account(), screen.note, options.patience)
    return COMMANDS[options.command](service, screen, options)


def main() -> int:
    """Return the exit code; errors are one line."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        return run(sys.argv[1:])
    except Stop as stop:
        _complain(str(stop))
        return stop.code
    except KeyboardInterrupt:
        _complain("")
        return CANCELLED
    except BrokenPipeError:  # nobody reads any more, as in "… | head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS
    except CUT as error:
        _complain(str(error) or type(error).__name__)
        return Stop("").code


def _complain(sentence: str) -> None:
    Screen().note(sentence and f"resource-sync: {sentence}")


if __name__ == "__main__":
    sys.exit(main())
