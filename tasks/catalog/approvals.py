"""Steps that wait for an approval, and the groups of people in task types."""

import re

from tasks.catalog.task_type import ApprovalWanted, Step
from tasks.catalog.toml_tables import Table, Translations

GROUP_NAME = re.compile(r"(?! )[^\x00-\x1f\x7f]{1,150}(?<! )")  # as Django takes them
TAKES_APPROVAL = '{by = ["leads"], not_self = true, timeout = "24h", message = "…"}'
ADMINS = ("admin",)  # decide where neither the step nor its type names anybody


def groups_of(table: Table, key: str) -> tuple[str, ...]:
    """Return the names of groups of people; whether there is such a group only the
    database knows, and it may be made later."""
    names = table.texts(key)
    if key in table.data and not names:
        raise table.wrong(key, "expected at least one group")
    for name in names:
        if not GROUP_NAME.fullmatch(name):
            raise table.wrong(key, f'"{name}" can\'t name a group')
    return names


def approval_step(
    table: Table, known: set[str], texts: Translations, approvers: tuple[str, ...]
) -> Step:
    """Return a step that waits for an approval. It weighs nothing: to wait for people
    is no progress."""
    if "command" in table.data:
        problem = "a step has a command or an approval, not both"
        raise table.wrong("approval", problem)
    table.only("name", "approval")
    given = table.data["approval"]
    if not isinstance(given, dict):
        raise table.wrong("approval", f"expected {TAKES_APPROVAL}")
    approval = Table(table.source, (*table.path, "approval"), given)
    approval.only("by", "not_self", "timeout", "message", "release_lock")
    message = approval.local_text("message", "", texts)
    for text in (message, *(of.get(message, "") for of in texts.values())):
        approval.check_placeholders("message", text, known)
    wanted = ApprovalWanted(
        by=groups_of(approval, "by") or approvers or ADMINS,
        not_self=approval.flag("not_self"),
        timeout_seconds=approval.seconds("timeout"),
        message=message,
        release_lock=approval.flag("release_lock"),
    )
    name = table.local_text("name", "Approval", texts)[:200]
    return Step(name=name, command=(), weight=0.0, approval=wanted)
