"""What stands on the command line."""

from __future__ import annotations

import argparse

from client.account import KEY_VARIABLE
from client.words import words

SHELLS = ("bash", "fish", "zsh")
TAKES_PARAMS = ("start", "rerun")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    codes = "Exit code: 0 completed, 1 failed, 130 cancelled or Ctrl-C, 2 not "
    codes += "understood, 3 refused or not reached."
    whole = argparse.ArgumentParser(
        "resource-sync",
        description=words("Start release tasks, and watch every line of them."),
        epilog=words(codes),
        allow_abbrev=False,
    )
    text = words("print the version, and whether it fits the service")
    whole.add_argument("--version", action="store_true", help=text)
    commands = whole.add_subparsers(dest="command", metavar="COMMAND")

    def command(name: str, about: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = commands.add_parser(
            name,
            help=about,
            description=about,
            epilog=words(codes),
            allow_abbrev=False,
        )
        made.add_argument("--json", action="store_true", help=words("print JSON"))
        made.add_argument(
            "--patience",
            type=float,
            metavar="SECONDS",
            help=words("how long to try again while the service is away"),
        )
        return made

    text = "keep URL and key; the key is asked for, or comes from standard input or "
    login = command("login", words(text + "{name}").format(name=KEY_VARIABLE))
    login.add_argument("url", nargs="?", metavar="URL")

    command("types", words("what can be started"))

    start = command("start", words("start a task"))
    start.add_argument("type", metavar="TYPE")
    _add_params(start)

    follow = command("follow", words("print a task's lines until it has ended"))
    _add_task(follow)
    text = words("begin with the newest N lines")
    follow.add_argument("--tail", type=int, metavar="N", help=text)
    _add_cancel_on_interrupt(follow)

    listed = command("list", words("the newest tasks"))
    for name in ("type", "status", "version"):
        listed.add_argument(f"--{name}")
    listed.add_argument("-q", metavar="TEXT")
    listed.add_argument("--limit", type=int, default=20, metavar="N")

    _add_task(command("logs", words("print a task's log as it is now")))

    text = words("cancel a task, or all that filters find")
    cancel = command("cancel", text)
    _add_task_or_filters(cancel)
    text = words("kill its processes at once")
    cancel.add_argument("--force", action="store_true", help=text)

    text = words("run a task again, or all that filters find")
    rerun = command("rerun", text)
    _add_task_or_filters(rerun)
    _add_params(rerun)
    text = words("begin with this step")
    rerun.add_argument("--from-step", type=int, metavar="N", help=text)

    for name, about in (
        ("approve", words("approve what a task asks")),
        ("reject", words("reject it")),
    ):
        decision = command(name, about)
        _add_task(decision)
        decision.add_argument("--comment", default="", help=words("why"))

    command("releases", words("what is live"))

    changes = command("changes", words("what a version changes"))
    changes.add_argument("platform", metavar="PLATFORM")
    changes.add_argument("--from", dest="old", metavar="VERSION")
    changes.add_argument("--to", dest="new", metavar="VERSION", required=True)

    completion = command("completion", words("print the completion for a shell"))
    completion.add_argument("shell", choices=SHELLS)
    return whole


def _add_task(to: argparse.ArgumentParser) -> None:
    to.add_argument("task", metavar="TASK", help=words("its id, or the beginning"))


def _add_task_or_filters(to: argparse.ArgumentParser) -> None:
    text = words("its id, or the beginning")
    to.add_argument("task", metavar="TASK", nargs="?", help=text)
    for name in ("type", "status", "version", "created-after", "created-before"):
        to.add_argument(f"--{name}")
    to.add_argument("-q", metavar="TEXT")
    text = words("all that the filters find, without a question")
    to.add_argument("--yes", "-y", action="store_true", help=text)


def _add_params(to: argparse.ArgumentParser) -> None:
    text = words("name=value; @- reads the value from standard input")
    to.add_argument("params", nargs="*", metavar="NAME=VALUE", help=text)
    watching = to.add_mutually_exclusive_group()
    text = words("print its lines until it has ended")
    watching.add_argument("--follow", "-f", action="store_true", help=text)
    text = words("wait for its end without its lines")
    watching.add_argument("--wait", "-w", action="store_true", help=text)
    _add_cancel_on_interrupt(to)
    text = words("one key for one task, however often it is sent")
    to.add_argument("--idempotency-key", metavar="KEY", help=text)


def _add_cancel_on_interrupt(to: argparse.ArgumentParser) -> None:
    text = words("Ctrl-C and SIGTERM cancel the task")
    to.add_argument("--cancel-on-interrupt", action="store_true", help=text)


def parsed(arguments: list[str]) -> argparse.Namespace:
    """Return what a command line says; ends the process where it is not understood.

    Parameters may stand behind options, where argparse leaves them over.
    """
    whole = parser()
    options, rest = whole.parse_known_args(arguments)
    if options.command in TAKES_PARAMS and not any(one[0] == "-" for one in rest):
        options.params += rest
    elif rest:
        whole.error(f"unrecognized arguments: {' '.join(rest)}")
    if not (options.command or options.version):
        whole.error("a COMMAND is required: " + ", ".join(command_names()))
    return options


def command_names() -> list[str]:
    """Return the commands, for completion."""
    return list(_subparsers())


def options_of(command: str) -> list[str]:
    """Return the long options of a command, for completion."""
    made = _subparsers().get(command)
    actions = made._actions if made else []
    return [name for one in actions for name in one.option_strings if name[:2] == "--"]


def _subparsers() -> dict[str, argparse.ArgumentParser]:
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            found.update(action.choices)
    return found
