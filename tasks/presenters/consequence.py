"""What a task does to what players get, in words, before it is started."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from tasks.catalog.task_type import NoValue, Step, TaskType
from tasks.patient_reader import READ_SECONDS
from tasks.presenters.releases import title_of
from tasks.releases import LIVE, releases_within

ENGINE = ["-m", "resources"]
# The engine's commands that change what lies in the store or is live, with what they
# do; of several steps the first of these counts.
DOES = {
    "rollback": gettext_noop("It makes {version} live again on {platforms}"),
    "publish": gettext_noop("It publishes to {platforms}"),
    "promote": gettext_noop("It changes what is live on {platforms}"),
    "rollout": gettext_noop("It changes what is live on {platforms}"),
    "prune": gettext_noop("It removes old versions from {platforms}"),
    "repair": gettext_noop("It repairs files in the store of {platforms}"),
    "upload": gettext_noop("It uploads files for {platforms}"),
}
ONLY_LOOKS = {"check", "reuse", "changes", "verify", "verify-public", "probe"}


def live_now() -> list[dict[str, Any]]:
    """Return what is live on each platform, as ``GET /api/releases`` has it, but read
    now: who is asked whether production shall move has often just moved it. A store
    that doesn't say it in time has an ``error``, and never what it said before."""
    found = releases_within(READ_SECONDS, fresh_seconds=0.0)
    return [entry for entry in found if entry["channel"] == LIVE]


def consequence_of(
    kind: TaskType, params: Mapping[str, str], live: Sequence[Mapping[str, Any]]
) -> str:
    """Return what a task will do, and what is live now, in one sentence. Where steps
    are for other channels, and others for all players, the latter count."""
    commands = [_engine_command(step, kind, params) for step in kind.steps]
    platforms = [str(entry["platform"]) for entry in live]
    for_all = [command for command in commands if not _other_channels([command])]
    touched = _touched(for_all, platforms)
    if touched:
        commands = for_all
    else:
        touched = _touched(commands, platforms)
    if touched:
        verb, on = next(iter(touched.items()))
        names = _listed(map(title_of, on))
        version = params.get("version", "")
        what = _(DOES[verb]).format(platforms=names, version=version)
        if channels := _other_channels(commands):
            what = _("{what}, on the channel {channel}").format(
                what=what, channel=_listed(sorted(channels))
            )
    elif all(command and _verb_of(command) in ONLY_LOOKS for command in commands):
        what, on = _("It publishes nothing"), platforms
    else:
        steps = _listed(kind.local(step.name) for step in kind.steps)
        what, on = _("It runs: {steps}").format(steps=steps), platforms
    now = _said_live([entry for entry in live if entry["platform"] in on])
    return _("{what}; live now: {live}.").format(what=what, live=now)


def published_platforms(
    kind: TaskType, params: Mapping[str, str], platforms: Sequence[str]
) -> list[str]:
    """Return those to whose players a task brings a version. Where a form is not filled
    in yet, the defaults stand for what is missing."""
    defaults = {each.name: each.default for each in kind.params if each.default}
    values = {**defaults, **params}
    commands = [_engine_command(step, kind, values) for step in kind.steps]
    bringing = [
        command
        for command in commands
        if command
        and _verb_of(command) in ("publish", "upload")
        and not _other_channels([command])
    ]
    on = {
        name
        for command in bringing
        for name in _platforms_of([command], _verb_of(command), platforms)
    }
    return [name for name in platforms if name in on]


def _touched(
    commands: Sequence[Sequence[str]], platforms: Sequence[str]
) -> dict[str, list[str]]:
    """Return what commands do, with the platforms on which they do it."""
    verbs = {_verb_of(command) for command in commands if command}
    return {
        verb: _platforms_of(commands, verb, platforms) for verb in DOES if verb in verbs
    }


def _engine_command(
    step: Step, kind: TaskType, params: Mapping[str, str]
) -> Sequence[str]:
    """Return a step's command of the engine with its arguments; none where another
    program runs."""
    try:
        argv = step.argv(kind.placeholders("", params))
    except NoValue:
        return ()
    for place in range(len(argv) - len(ENGINE)):
        if argv[place : place + len(ENGINE)] == ENGINE:
            return argv[place + len(ENGINE) :]
    return ()


def _verb_of(command: Sequence[str]) -> str:
    if command[0] == "sync":
        return "upload" if "--no-pointer" in command else "publish"
    if command[0] == "rollout" and "100" in _values_of(command, "--percent"):
        return "publish"  # to all of the players
    return command[0]


def _platforms_of(
    commands: Sequence[Sequence[str]], verb: str, platforms: Sequence[str]
) -> list[str]:
    """Return those on which commands do something; all, where they name none."""
    named: set[str] = set()
    for command in commands:
        if not command or _verb_of(command) != verb:
            continue
        own = _values_of(command, "--platform")
        named |= set(platforms) if not own or "all" in own else own
    return [name for name in platforms if name in named]


def _other_channels(commands: Iterable[Sequence[str]]) -> set[str]:
    """Return the channels other than ``live`` that commands serve something on."""
    named: set[str] = set()
    for command in commands:
        named |= _values_of(command, "--channel") | _values_of(command, "--to")
    return named - {LIVE}


def _values_of(command: Sequence[str], option: str) -> set[str]:
    values = [
        following if word == option else word.partition("=")[2]
        for word, following in pairwise([*command, ""])
        if word == option or word.startswith(f"{option}=")
    ]
    return {name for value in values for name in value.split(",")}


def _said_live(live: Sequence[Mapping[str, Any]]) -> str:
    versions = {entry["version"] for entry in live}
    if len(versions) == 1 and (version := versions.pop()):
        return str(version)
    return _listed(map(_said_platform, live))


def _said_platform(entry: Mapping[str, Any]) -> str:
    name = title_of(entry["platform"])
    if "error" in entry:
        return _("{platform}: not known").format(platform=name)
    if entry["version"] is None:
        return _("{platform}: nothing").format(platform=name)
    return f"{name} {entry['version']}"


def _listed(names: Iterable[str]) -> str:
    return _(", ").join(names)
