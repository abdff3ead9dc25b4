"""What an audit event says, verb and object apart."""

import uuid

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from tasks.models import AuditEvent
from tasks.presenters.names import title_of_type

Action = AuditEvent.Action
# Of each act: what was done, and to what. The words are also those of the CSV file.
WORDS: dict[str, tuple[str, str]] = {
    Action.CREATE: (_("start"), _("task")),
    Action.RERUN: (_("rerun"), _("task")),
    Action.CANCEL: (_("cancel"), _("task")),
    Action.APPROVAL_ASKED: (_("ask for approval of"), _("task")),
    Action.APPROVED: (_("approve"), _("task")),
    Action.REJECTED: (_("reject"), _("task")),
    Action.APPROVAL_TIMED_OUT: (_("end by time-out"), _("task")),
    Action.PIN: (_("pin"), _("task")),
    Action.UNPIN: (_("unpin"), _("task")),
    Action.CANCEL_SEVERAL: (_("cancel"), _("tasks")),
    Action.RERUN_SEVERAL: (_("rerun"), _("tasks")),
    Action.FORGET: (_("delete"), _("task")),
    Action.LINK_MADE: (_("share"), _("task")),
    Action.LINK_WITHDRAWN: (_("stop sharing"), _("task")),
    Action.FREEZE_MADE: (_("create"), _("freeze")),
    Action.FREEZE_ENDED: (_("end"), _("freeze")),
    Action.QUEUE_PAUSED: (_("pause"), _("queue")),
    Action.QUEUE_RESUMED: (_("resume"), _("queue")),
    Action.RESTORED: (_("restore"), _("database")),
    Action.MOVED: (_("move"), _("database")),
    Action.SCHEDULE_MADE: (_("create"), _("schedule")),
    Action.SCHEDULE_CHANGED: (_("change"), _("schedule")),
    Action.SCHEDULE_DELETED: (_("delete"), _("schedule")),
    Action.SCHEDULE_RETIRED: (_("retire"), _("schedule")),
    Action.SCHEDULE_PAUSED: (_("pause"), _("schedule")),
    Action.SCHEDULE_RESUMED: (_("resume"), _("schedule")),
    Action.SCHEDULE_RUN: (_("run by hand"), _("schedule")),
    Action.KEY_MADE: (_("create"), _("API key")),
    Action.KEY_REVOKED: (_("revoke"), _("API key")),
    Action.WEBHOOK_MADE: (_("create"), _("webhook")),
    Action.WEBHOOK_DELETED: (_("delete"), _("webhook")),
    Action.WEBHOOK_DISABLED: (_("disable"), _("webhook")),
    Action.WEBHOOK_ENABLED: (_("enable"), _("webhook")),
    Action.WEBHOOK_TESTED: (_("test"), _("webhook")),
    Action.WEBHOOK_RESENT: (_("send again to"), _("webhook")),
    Action.SIGN_IN: (_("sign in"), _("account")),
    Action.SIGN_IN_FAILED: (_("fail to sign in"), _("account")),
    Action.SIGN_OUT: (_("sign out"), _("account")),
    Action.FACTOR_SET_UP: (_("set up the second factor of"), _("account")),
    Action.FACTOR_REMOVED: (_("remove the second factor of"), _("account")),
    Action.FACTOR_RESET: (_("reset the second factor of"), _("account")),
    Action.RECOVERY_CODES_RENEWED: (_("renew the recovery codes of"), _("account")),
    Action.RECOVERY_CODE_USED: (_("use a recovery code of"), _("account")),
    Action.USER_MADE: (_("create"), _("account")),
    Action.USER_CHANGED: (_("change"), _("account")),
    Action.USER_DELETED: (_("delete"), _("account")),
    Action.GROUP_MADE: (_("create"), _("user group")),
    Action.GROUP_CHANGED: (_("change"), _("user group")),
    Action.GROUP_DELETED: (_("delete"), _("user group")),
}
LISTS = {
    "API key": "admin:tasks_apikey_changelist",
    "account": "admin:auth_user_changelist",
    "user group": "admin:auth_group_changelist",
}


# What has no page here; a schedule's name is among the details.
NAMED = {"database", "freeze", "queue", "schedule", "tasks", "webhook"}


def verb(event: AuditEvent) -> str:
    """Return what was done, in English: ``cancel``."""
    return WORDS.get(event.kind, (event.action, ""))[0]


def object_kind(event: AuditEvent) -> str:
    """Return what it was done to, in English: ``task``; "" where that is unknown."""
    return WORDS.get(event.kind, ("", ""))[1]


def said_verb(event: AuditEvent) -> str:
    return gettext(verb(event))


def said_object(event: AuditEvent) -> SafeString | str:
    """Return what it was done to, as a link to where that is found."""
    kind = object_kind(event)
    if (task := _task_id(event)) is not None:
        url = reverse("admin:tasks_task_change", args=[task])
        name = _task_name(event) or gettext("task")
        code = event.target[:8]
        return format_html(
            '<a href="{}">{} <span class="code">{}</span></a>', url, name, code
        )
    if kind in NAMED:
        name = event.details.get("name", event.target)
        return f"{gettext(kind)} {'' if name == kind else name}".strip()
    if kind not in LISTS or not event.target:
        return event.target
    # Of a key that is "name (1a2b3c4d…)" the list is searched by the name.
    query = {"q": event.target.rpartition(" (")[0] or event.target}
    url = reverse(LISTS[kind], query=query)
    return format_html('<a href="{}">{} {}</a>', url, gettext(kind), event.target)


def _task_id(event: AuditEvent) -> uuid.UUID | None:
    if object_kind(event) not in {"task", ""}:
        return None
    try:
        return uuid.UUID(event.target)
    except ValueError:
        return None


def _task_name(event: AuditEvent) -> str:
    """Return the title of a task's type, and its version, as they were written down:
    the task may be gone."""
    kind = event.details.get("type", "")
    version = event.details.get("params", {}).get("version", "")
    return f"{title_of_type(kind) if kind else ''} {version}".strip()
