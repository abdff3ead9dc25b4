"""Completion: each shell asks the client itself, so that all three know the same."""

from __future__ import annotations

from typing import Any

from client.account import known_account
from client.errors import Stop
from client.options import SHELLS, command_names, options_of
from client.service import Service

NEWEST = 20
OF_A_TASK = ("follow", "logs", "cancel", "rerun", "approve", "reject")

SCRIPTS = {
    # Bash cuts words at "=", and replaces only what stands behind it.
    "bash": """\
_resource_sync() {
    local line="${COMP_LINE:0:COMP_POINT}" words candidate
    read -ra words <<< "$line"
    [[ "$line" == *" " ]] && words+=("")
    local last="${words[${#words[@]}-1]}" cut=""
    [[ "$last" == *=* && "$COMP_WORDBREAKS" == *=* ]] && cut="${last%%=*}="
    COMPREPLY=()
    while IFS= read -r candidate; do
        [[ -n "$candidate" ]] && COMPREPLY+=("${candidate#"$cut"}")
    done < <("${words[0]}" complete -- "${words[@]:1}" 2>/dev/null)
    [[ "${#COMPREPLY[@]}" == 1 && "${COMPREPLY[0]}" == *= ]] && compopt -o nospace
    return 0
}
complete -F _resource_sync resource-sync
""",
    "zsh": """\
#compdef resource-sync
_resource_sync() {
    local -a found
    found=("${(@f)$("${words[1]}" complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    compadd -S '' -- ${(M)found:#*=}
    compadd -- ${found:#*=}
}
compdef _resource_sync resource-sync
""",
    "fish": """\
function __resource_sync
    set -l words (commandline -opc) (commandline -ct)
    $words[1] complete -- $words[2..-1] 2>/dev/null
end
complete -c resource-sync -f -a '(__resource_sync)'
""",
}


def candidates(given: list[str]) -> list[str]:
    """Return what the last of the words may become. Asks the service, briefly."""
    *before, last = given or [""]
    try:
        found = _all(before, last)
    except Stop:
        found = []
    return [one for one in found if one.startswith(last)]


def _all(before: list[str], last: str) -> list[str]:
    if not before:
        return command_names()
    command, places = before[0], [one for one in before[1:] if one[:1] != "-"]
    if last.startswith("-"):
        return options_of(command)
    if command == "completion":
        return list(SHELLS)
    if command == "start":
        return _params(places[0], last) if places else [one["name"] for one in _types()]
    if command in OF_A_TASK and not places:
        found = _service().ask("GET", f"/api/tasks?limit={NEWEST}")
        return [task["id"] for task in found["tasks"]]
    if command == "changes" and not places:
        found = _service().ask("GET", "/api/releases")
        return sorted({release["platform"] for release in found["releases"]})
    return []


def _params(kind: str, last: str) -> list[str]:
    schemas = {one["name"]: one["params"]["properties"] for one in _types()}
    params = schemas.get(kind, {})
    name, sign, _value = last.partition("=")
    if sign:
        return [f"{name}={choice}" for choice in params.get(name, {}).get("enum", [])]
    return [f"{name}=" for name in params]


def _types() -> list[dict[str, Any]]:
    found = _service().ask("GET", "/api/task-types")
    return [kind for kind in found["taskTypes"] if not kind["hidden"]]


def _service() -> Service:
    return Service(known_account(), lambda _sentence: None, 0)
