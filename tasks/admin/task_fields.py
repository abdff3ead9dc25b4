"""What the admin says of a task, in the list and on its page."""

import json
from typing import Any

from django.contrib import admin
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tasks.admin.read_only import NOTHING, exact_time, marked, time_ago
from tasks.models import AuditEvent, Task
from tasks.presenters.names import person
from tasks.presenters.task import Shown
from tasks.reruns import chain_of

SELF = format_html(' aria-current="{}"', "true")
MOST_EVENTS = 100  # of one task that are shown

FIELDSETS: list[tuple[Any, Any]] = [
    (
        None,
        {
            "fields": (
                "type", "version", "parameters", "state", "done", "failure",
            )
        },
    ),
    (
        _("Who and when"),
        {
            "fields": (
                "number", "starter", "created_from", "created_at", "started_at",
                "completed_at", "duration", "chain", "runner", "attempt",
                "stalled_since", "canceller", "cancel_requested_at",
                "forced", "kept",
            )
        },
    ),
    (_("Result"), {"fields": ("steps", "written", "full_result")}),
    (_("Audit events"), {"fields": ("events",)}),
]  # fmt: skip


class TaskFields:
    @admin.display(description=_("status"))
    def state(self, task: Task) -> SafeString:
        shown = Shown(task, timezone.now())
        return marked(shown.shape, shown.label, shown.state)

    @admin.display(description=_("progress"))
    def done(self, task: Task) -> str:
        shown = Shown(task, timezone.now())
        return f"{task.progress} %" if shown.knows_progress else NOTHING

    @admin.display(description=_("lines"))
    def line_count(self, task: Task) -> str:
        return f"{task.last_seq:,}"

    @admin.display(description=_("pinned"))
    def kept(self, task: Task) -> str:
        return f"◆ {gettext('pinned')}" if task.pinned else NOTHING

    @admin.display(description=_("created"))
    def created(self, task: Task) -> SafeString | str:
        return time_ago(task.created_at)

    @admin.display(description=_("duration"))
    def duration(self, task: Task) -> str:
        return Shown(task, timezone.now()).duration or NOTHING

    @admin.display(description=_("parameters"))
    def parameters(self, task: Task) -> str:
        params = Shown(task, timezone.now()).params
        return ", ".join(f"{key}: {value}" for key, value in params.items()) or NOTHING

    @admin.display(description=_("error"))
    def failure(self, task: Task) -> str:
        return Shown(task, timezone.now()).error or NOTHING

    @admin.display(description=_("Id"))
    def number(self, task: Task) -> str:
        return str(task.pk)

    @admin.display(description=_("started by"))
    def starter(self, task: Task) -> str:
        return person(task.created_by) or NOTHING

    @admin.display(description=_("Cancelled by"))
    def canceller(self, task: Task) -> str:
        return person(task.cancel_requested_by) or NOTHING

    @admin.display(description=_("Cancel forced"))
    def forced(self, task: Task) -> str:
        return gettext("yes") if task.cancel_forced else NOTHING

    @admin.display(description=_("reruns"))
    def chain(self, task: Task) -> SafeString | str:
        """The task among those it is a rerun of and those that are reruns of it."""
        links = chain_of(task)
        if len(links) == 1:
            return NOTHING
        rows = format_html_join(
            "",
            "<tr{}><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            (
                (
                    SELF if one.pk == task.pk else "",
                    self._link(one) if one.pk != task.pk else str(one.pk)[:8],
                    self.state(one),
                    person(one.created_by),
                    self.created(one),
                )
                for one in links
            ),
        )
        return table([_("task"), _("status"), _("started by"), _("created")], rows)

    def _link(self, task: Task) -> SafeString:
        url = reverse("admin:tasks_task_change", args=[task.pk])
        return format_html('<a class="code" href="{}">{}</a>', url, str(task.pk)[:8])

    @admin.display(description=_("steps"))
    def steps(self, task: Task) -> SafeString | str:
        rows = [
            (row.status, row.shape, row.label, row.name,
             row.attempt_label, NOTHING if row.exit_code is None else row.exit_code,
             row.duration or NOTHING)
            for row in Shown(task, timezone.now()).steps
        ]  # fmt: skip
        if not rows:
            return NOTHING
        body = format_html_join(
            "",
            '<tr><td><span class="status" data-status="{}">{} {}</span></td>'
            "<td>{} {}</td><td>{}</td><td>{}</td></tr>",
            rows,
        )
        return table([_("Status"), _("Step"), _("Exit code"), _("Duration")], body)

    @admin.display(description=_("summary"))
    def written(self, task: Task) -> SafeString | str:
        html = Shown(task, timezone.now()).summary
        return format_html('<div class="markdown">{}</div>', html) if html else NOTHING

    @admin.display(description=_("result"))
    def full_result(self, task: Task) -> SafeString | str:
        if task.result is None:
            return NOTHING
        text = json.dumps(task.result, ensure_ascii=False, indent=2)
        return format_html("<pre>{}</pre>", text)

    @admin.display(description=_("audit events"))
    def events(self, task: Task) -> SafeString | str:
        """Return what people and programs did to this task."""
        found = AuditEvent.objects.filter(target=str(task.pk)).order_by("pk")
        rows = [
            (exact_time(event.at), person(event.actor), event.address or NOTHING,
             event.label)
            for event in found[:MOST_EVENTS]
        ]  # fmt: skip
        if not rows:
            return NOTHING
        body = format_html_join(
            "", "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>", rows
        )
        return table([_("time"), _("who"), _("from"), _("action")], body)


def table(heads: list[Any], body: SafeString) -> SafeString:
    cells = format_html_join("", '<th scope="col">{}</th>', ((head,) for head in heads))
    return format_html(
        '<div class="scroll"><table><thead><tr>{}</tr></thead>'
        "<tbody>{}</tbody></table></div>",
        cells,
        body,
    )
