"""Tasks in the admin: found, read, run again, cancelled."""

import json
import uuid
from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from tasks import lifecycle
from tasks.admin.looked_at import NOTHING, LookedAt, time_ago
from tasks.catalog import catalog
from tasks.models import Task
from tasks.pages.sayings import said
from tasks.pages.shown import Shown
from tasks.pages.staff import actor
from tasks.pages.task_page import cancel_and_say
from tasks.task_types import ParameterErrors


class TypeFilter(admin.SimpleListFilter):
    """By the types that are configured: no scan of the whole table for names."""

    title = _("type")
    parameter_name = "type"

    def lookups(
        self, request: HttpRequest, model_admin: Any
    ) -> Sequence[tuple[str, str]]:
        return [(name, name) for name in catalog()]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Task]
    ) -> QuerySet[Task]:
        return queryset.filter(type=self.value()) if self.value() else queryset


@admin.register(Task)
class TaskAdmin(LookedAt):
    list_display = (
        "state", "type", "version", "done", "created_by", "created", "duration",
    )  # fmt: skip
    list_display_links = ("state", "type")
    list_filter = ("status", TypeFilter, "created_at")
    search_fields = ("id", "version", "created_by")
    list_per_page = 50
    actions = ("rerun_selected", "cancel_selected")
    change_form_template = "admin/tasks/task/change_form.html"
    fieldsets = (
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
                    "number", "created_by", "created_from", "created_at", "started_at",
                    "completed_at", "duration", "origin", "runner", "attempt",
                    "stalled_since", "canceller", "cancel_requested_at",
                    "forced", "pinned",
                )
            },
        ),
        (_("Result"), {"fields": ("steps", "full_result")}),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        # Results and trails may be large, and no list shows them.
        return super().get_queryset(request).defer("result", "trail")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """May rerun and cancel, though nobody edits a task's fields."""
        return request.user.has_perm("tasks.change_task")

    @admin.display(description=_("status"), ordering="status")
    def state(self, task: Task) -> SafeString:
        return format_html(
            '<span class="status" data-status="{}">{} {}</span>',
            task.status,
            Shown(task, timezone.now()).shape,
            task.get_status_display(),
        )

    @admin.display(description=_("progress"))
    def done(self, task: Task) -> str:
        return f"{task.progress} %"

    @admin.display(description=_("created"), ordering="created_at")
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

    @admin.display(description=_("Cancelled by"))
    def canceller(self, task: Task) -> str:
        return task.cancel_requested_by or NOTHING

    @admin.display(description=_("Cancel forced"), boolean=True)
    def forced(self, task: Task) -> bool:
        return task.cancel_forced

    @admin.display(description=_("rerun of"))
    def origin(self, task: Task) -> SafeString | str:
        if task.rerun_of_id is None:
            return NOTHING
        url = reverse("admin:tasks_task_change", args=[task.rerun_of_id])
        return format_html('<a href="{}">{}</a>', url, task.rerun_of_id)

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
        head = format_html(
            "<tr><th>{}</th><th>{}</th><th>{}</th><th>{}</th></tr>",
            gettext("Status"),
            gettext("Step"),
            gettext("Exit code"),
            gettext("Duration"),
        )
        body = format_html_join(
            "",
            '<tr><td><span class="status" data-status="{}">{} {}</span></td>'
            "<td>{} {}</td><td>{}</td><td>{}</td></tr>",
            rows,
        )
        return format_html("<table>{}{}</table>", head, body)

    @admin.display(description=_("result"))
    def full_result(self, task: Task) -> SafeString | str:
        if task.result is None:
            return NOTHING
        text = json.dumps(task.result, ensure_ascii=False, indent=2)
        return format_html("<pre>{}</pre>", text)

    @admin.action(description=_("Rerun selected tasks"), permissions=["operate"])
    def rerun_selected(self, request: HttpRequest, tasks: QuerySet[Task]) -> None:
        made = [task for task in tasks if rerun_or_say(request, task)]
        if made:
            text = ngettext(
                "%(n)s task was started again.",
                "%(n)s tasks were started again.",
                len(made),
            )
            messages.success(request, text % {"n": len(made)})

    @admin.action(description=_("Cancel selected tasks"), permissions=["operate"])
    def cancel_selected(self, request: HttpRequest, tasks: QuerySet[Task]) -> None:
        for task in tasks:
            cancel_and_say(request, task)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<uuid:pk>/rerun/", view(self.rerun_view), name="tasks_task_rerun"),
            path("<uuid:pk>/cancel/", view(self.cancel_view), name="tasks_task_cancel"),
            *super().get_urls(),
        ]

    def rerun_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        task = self._operated(request, pk)
        new = rerun_or_say(request, task) if request.method == "POST" else None
        return redirect("admin:tasks_task_change", (new or task).pk)

    def cancel_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Asks first; the answer comes as ``sure``."""
        task = self._operated(request, pk)
        force = "force" in request.POST
        if request.method == "POST" and "sure" in request.POST:
            cancel_and_say(request, task, force=force)
            return redirect("admin:tasks_task_change", task.pk)
        question = (
            gettext("Force the end of %(task)s?")
            if force
            else gettext("Cancel %(task)s?")
        )
        context = {
            **self.admin_site.each_context(request),
            "title": question % {"task": task},
            "opts": self.opts,
            "original": task,
            "force": force,
        }
        return TemplateResponse(request, "admin/tasks/task/cancel.html", context)

    def _operated(self, request: HttpRequest, pk: uuid.UUID) -> Task:
        if not self.has_operate_permission(request):
            raise PermissionDenied
        return get_object_or_404(Task, pk=pk)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        *args: Any,
        **kwargs: Any,
    ) -> HttpResponse:
        task = context["original"]
        context["shown"] = Shown(task, timezone.now())
        context["may_operate"] = self.has_operate_permission(request)
        return super().render_change_form(request, context, *args, **kwargs)


def rerun_or_say(request: HttpRequest, task: Task) -> Task | None:
    """The new task, or None and a message on why there is none."""
    try:
        return lifecycle.rerun(task, actor(request))
    except (lifecycle.UnknownTaskType, ParameterErrors) as error:
        text = gettext("%(task)s can't be run again: %(reason)s")
        messages.error(request, text % {"task": task, "reason": said(str(error))})
        return None
