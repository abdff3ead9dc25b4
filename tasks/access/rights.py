"""Rights: what somebody may do, decided in one place for every door.

A person has them by the groups that every installation has, a program by the scopes of
its key. Pages, API, streams and the admin ask here, and nothing else: a permission that
Django's tables hold beside this gives nobody anything.
"""

from dataclasses import dataclass, replace
from typing import Any

from django.apps import apps as installed
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Q, QuerySet, prefetch_related_objects
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _

from tasks.catalog.loader import catalog
from tasks.catalog.task_type import TaskType
from tasks.models import ApiKey

Scope = ApiKey.Scope


@dataclass(frozen=True)
class Rights:
    """What somebody may do, as scopes; a person's have the ``group`` they come from,
    and ``groups``, the names of all that the person is in."""

    scopes: frozenset[str] = frozenset()
    group: str = ""
    groups: frozenset[str] = frozenset()

    @classmethod
    def of_key(cls, scope: str) -> "Rights":
        """Return the rights of a key with these scopes, blanks between them."""
        return cls(frozenset(scope.split()))

    def __bool__(self) -> bool:
        """Return whether they open anything at all: each scope lets its owner read."""
        return bool(self.scopes)

    def __str__(self) -> str:
        return self.group or " ".join(sorted(self.scopes))

    @property
    def is_admin(self) -> bool:
        return Scope.ADMIN in self.scopes

    @property
    def starts_something(self) -> bool:
        kinds = (scope.partition(":")[0] for scope in self.scopes)
        return self.is_admin or Scope.START in kinds or self._is_allowed_something

    @property
    def _is_allowed_something(self) -> bool:
        return any(not self.groups.isdisjoint(k.allow) for k in catalog().values())

    def may_start(self, kind: TaskType) -> bool:
        """Return whether they start a type: one that ``allow``s groups, who is in one
        of them; another that asks first, admin. A key that was made for a type by name
        starts it in any case."""
        if self.is_admin or f"{Scope.START}:{kind.name}" in self.scopes:
            return True
        if kind.allow:
            return not self.groups.isdisjoint(kind.allow)
        return Scope.START in self.scopes and not kind.confirm

    def may_pin(self, *, is_own: bool) -> bool:
        """Return whether they pin one's own tasks, or those of others."""
        return self.starts_something if is_own else self.is_admin

    def may_cancel(self, *, is_own: bool) -> bool:
        """The same for cancelling."""
        return Scope.CANCEL in self.scopes or self.may_pin(is_own=is_own)


NOTHING = Rights()
EVERYTHING = Rights(frozenset({Scope.ADMIN}))
# From the smallest to the greatest: of several groups the greatest counts.
GROUPS = {
    "viewer": Rights(frozenset({Scope.READ}), "viewer"),
    "operator": Rights(frozenset({Scope.READ, Scope.START}), "operator"),
    "admin": Rights(frozenset({Scope.ADMIN}), "admin"),
}
GROUP_NAMES = ", ".join(GROUPS)


def rights_of(user: Any) -> Rights:
    """Return what a person may do: the greatest of the groups' rights.

    An active superuser who is staff is ``admin``; who is not active, or no staff, may
    do nothing.
    """
    if not (user and user.is_active and user.is_staff):
        return NOTHING
    if user.is_superuser:
        return GROUPS["admin"]
    # Asked once for each user object, and again when its groups have changed.
    prefetch_related_objects([user], "groups")
    names = {group.name for group in user.groups.all()}
    had = [rights for name, rights in GROUPS.items() if name in names]
    return replace(had[-1], groups=frozenset(names)) if had else NOTHING


def may_come_in(user: Any) -> bool:
    """Return whether somebody may see pages; False where signing in may help.

    Raises PermissionDenied where it would not: staff in none of the groups.
    """
    if not (rights := rights_of(user)) and user.is_active and user.is_staff:
        raise PermissionDenied(why_nothing(user))
    return bool(rights)


def watchers() -> QuerySet[User]:
    """Return those whose sessions may watch: everybody whose rights are not empty.

    One query answers for all clients of a server whether they still may.
    """
    in_group = Q(is_superuser=True) | Q(groups__name__in=GROUPS)
    return User.objects.filter(in_group, is_active=True, is_staff=True).distinct()


def why_nothing(user: Any) -> str:
    """Return the sentence for somebody who is known and may do nothing: what is
    missing, and who can help."""
    if not user.is_staff:
        return _(
            "Your account has no access here, because it is not a staff account. "
            "Someone in the group “admin” can change that under Users in the "
            "administration."
        )
    text = _(
        "Your account has no access here, because it is in none of the groups "
        "%(groups)s. Someone in the group “admin” can add it to one under Users in "
        "the administration."
    )
    return text % {"groups": GROUP_NAMES}


# --- Django's permissions -----------------------------------------------------------


def _permissions(verbs: str, models: str) -> set[str]:
    return {f"{verb}_{model}" for verb in verbs.split() for model in models.split()}


# The codenames that each group has, so that Django's admin asks the same rights.
# Whoever may "change" a task may rerun, cancel and pin: its fields nobody edits.
_SEEN = _permissions("view", "task runner schedule")
_OPERATED = _SEEN | {"change_task"}
PERMISSIONS: dict[str, set[str]] = {
    "": set(),
    "viewer": _SEEN,
    "operator": _OPERATED,
    "admin": _OPERATED
    | _permissions("view", "auditevent")
    | _permissions("view add change", "apikey")
    | _permissions("add change delete", "schedule")
    | _permissions("view add change delete", "webhook")
    | _permissions("view change", "webhookdelivery")
    | _permissions("view add change delete", "user group"),
}
APPS = {"user": "auth", "group": "auth"}  # the others are ours


def permissions_of(rights: Rights) -> set[str]:
    """Return what Django calls permissions (``tasks.view_task``) of rights."""
    started = _OPERATED if rights.starts_something else set()
    names = PERMISSIONS[rights.group] | started
    return {f"{APPS.get(name.partition('_')[2], 'tasks')}.{name}" for name in names}


def ensure_groups(
    apps: Any = installed, using: str = DEFAULT_DB_ALIAS, **_options: Any
) -> None:
    """Make the groups that are missing, and give each its permissions again.

    Called after each migrate, so that one that somebody deleted comes back.
    """
    try:
        groups = apps.get_model("auth", "Group").objects.using(using)
        permissions = apps.get_model("auth", "Permission").objects.using(using)
    except LookupError:  # migrated back to before there were any
        return
    ours = permissions.filter(content_type__app_label__in={"tasks", "auth"})
    for name in GROUPS:
        group, _is_new = groups.get_or_create(name=name)
        group.permissions.set(ours.filter(codename__in=PERMISSIONS[name]))


def for_templates(request: HttpRequest) -> dict[str, Any]:
    """Return ``rights``, by which the templates leave out what one may not do."""
    return {
        "rights": SimpleLazyObject(lambda: rights_of(getattr(request, "user", None)))
    }
