"""Who may decide: asked when it is decided, never before."""

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _

from tasks.access.actor import Actor, Scope, ScopeTooSmall
from tasks.access.rights import Rights
from tasks.catalog.loader import catalog
from tasks.models import ApiKey, Approval, Task

KEY = "key:"  # before the name of a key, where it stands for who asks
MOST_NAMED = 5  # people whom to ask


class NotApprover(ScopeTooSmall):
    """Somebody is in none of the groups that decide; says whom to ask."""

    def __init__(self, groups: list[str], had: Rights) -> None:
        self.groups = groups
        super().__init__(Scope.APPROVE, had)

    def _text(self) -> str:
        if not self.had.group:
            text = _("This needs a key with the scope “approve”; yours has “%(had)s”.")
            return text % {"had": self.had}
        text = _("Only people in these groups decide this: %(groups)s.")
        said = text % {"groups": ", ".join(self.groups)}
        if names := people_of(self.groups):
            said += " " + _("Ask one of them: %(names)s.") % {"names": ", ".join(names)}
        return said


class OwnTask(PermissionDenied):
    """Somebody is about to decide what they started themselves."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "You started this, or what it is a rerun of, yourself or by a key of "
                "yours; another person has to decide."
            )
        )


def check(actor: Actor, approval: Approval) -> None:
    """Raise NotApprover or OwnTask unless they may decide."""
    if not may_decide(actor.rights, approval):
        raise NotApprover(approval.by, actor.rights)
    if approval.not_self and is_own(actor.name, approval.task):
        raise OwnTask


def check_any(actor: Actor) -> None:
    """Raise NotApprover unless they decide something of some type."""
    steps = [step for kind in catalog().values() for step in kind.steps]
    groups = {name for step in steps if step.approval for name in step.approval.by}
    may_by_scope = actor.rights.is_admin or Scope.APPROVE in actor.rights.scopes
    if not may_by_scope and actor.rights.groups.isdisjoint(groups):
        raise NotApprover(sorted(groups or {"admin"}), actor.rights)


def may_decide(rights: Rights, approval: Approval) -> bool:
    """Return whether their rights are enough: one of the groups, the scope approve, or
    admin, whom nothing is closed to."""
    by_scope = rights.is_admin or Scope.APPROVE in rights.scopes
    return by_scope or not rights.groups.isdisjoint(approval.by)


def is_own(name: str, task: Task) -> bool:
    """Return whether somebody started a task, or one that it is a rerun of, or that it
    goes back to by reruns: as themselves, by a key, or as the key of who did."""
    return not people_behind({name}).isdisjoint(people_behind(_starters(task)))


def _starters(task: Task) -> set[str]:
    names, origin = {task.created_by}, task.rerun_of_id
    while origin is not None:
        first = Task.objects.only("created_by", "rerun_of").filter(pk=origin).first()
        if first is None:
            break
        names.add(first.created_by)
        origin = first.rerun_of_id
    return names


def people_behind(names: set[str]) -> set[str]:
    """Return these, and of keys among them also who made them. Several keys may have
    one name: all their makers count."""
    keys = {name.removeprefix(KEY) for name in names if name.startswith(KEY)}
    makers = ApiKey.objects.filter(name__in=keys).exclude(made_by="")
    return names | set(makers.values_list("made_by", flat=True))


def people_of(groups: list[str]) -> list[str]:
    """Return the names of a few people in these groups, who come in at all."""
    found = User.objects.filter(groups__name__in=groups, is_active=True, is_staff=True)
    names = found.distinct().order_by("username").values_list("username", flat=True)
    return list(names[:MOST_NAMED])
