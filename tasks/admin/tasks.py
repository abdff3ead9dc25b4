"""Tasks in the admin: found, read, run again, cancelled, pinned, exported."""

import json
import uuid
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from tasks import lifecycle
from tasks.admin.filters import PersonFilter, TypeFilter, VersionFilter
from tasks.admin.long_list import LongList
from tasks.admin.task_fields import FIELDSETS, TaskFields
from tasks.description import iso, shown_params
from tasks.models import Task, ids_beginning_with
from tasks.pages.sayings import said
from tasks.pages.shown import Shown
from tasks.pages.staff import actor
from tasks.pages.task_page import cancel_and_say
from tasks.searching import holding
from tasks.task_types import ParameterErrors

COLUMNS = (
    ("id", lambda task: task.pk),
    ("type", lambda task: task.type),
    ("version", lambda task: task.version),
    ("status", lambda task: task.status),
    ("createdAt", lambda task: iso(task.created_at)),
    ("startedAt", lambda task: iso(task.started_at)),
    ("completedAt", lambda task: iso(task.completed_at)),
    ("createdBy", lambda task: task.created_by),
    ("createdFrom", lambda task: task.created_from),
    ("rerunOf", lambda task: task.rerun_of_id),
    ("pinned", lambda task: "yes" if task.pinned else "no"),
    ("lines", lambda task: task.last_seq),
    ("error", lambda task: task.error),
    ("params", lambda task: json.dumps(shown_params(task), ensure_ascii=False)),
)


@admin.register(Task)
class TaskAdmin(TaskFields, LongList):
    list_display = (
        "state", "type", "version", "created_by", "created", "duration",
        "line_count", "kept",
    )  # fmt: skip
    list_display_links = ("state", "type")
    list_filter = (
        "status", TypeFilter, VersionFilter, PersonFilter, "created_at", "pinned",
    )  # fmt: skip
    date_hierarchy = newest_by = "created_at"
    search_fields = ("id", "version", "created_by")
    search_help_text = _("The beginning of an id, or a part of a version or a person")
    actions = (
        "rerun_selected",
        "cancel_selected",
        "pin_selected",
        "unpin_selected",
        "export_selected",
    )
    change_form_template = "admin/tasks/task/change_form.html"
    fieldsets = FIELDSETS
    export_columns = COLUMNS

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        # Results and trails may be large, and no list shows them.
        return super().get_queryset(request).defer("result", "trail")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Task], search_term: str
    ) -> tuple[QuerySet[Task], bool]:
        text = search_term.strip()
        if text:
            found = holding(Task, "version", text) | holding(Task, "created_by", text)
            if ids := ids_beginning_with(text):
                found |= Q(pk__range=ids)
            queryset = queryset.filter(found)
        return queryset, False

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """May rerun, cancel and pin, though nobody edits a task's fields."""
        return request.user.has_perm("tasks.change_task")

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

    @admin.action(description=_("Pin selected tasks"), permissions=["operate"])
    def pin_selected(self, request: HttpRequest, tasks: QuerySet[Task]) -> None:
        pin_and_say(request, list(tasks), pinned=True)

    @admin.action(description=_("Unpin selected tasks"), permissions=["operate"])
    def unpin_selected(self, request: HttpRequest, tasks: QuerySet[Task]) -> None:
        pin_and_say(request, list(tasks), pinned=False)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<uuid:pk>/rerun/", view(self.rerun_view), name="tasks_task_rerun"),
            path("<uuid:pk>/cancel/", view(self.cancel_view), name="tasks_task_cancel"),
            path("<uuid:pk>/pin/", view(self.pin_view), name="tasks_task_pin"),
            *super().get_urls(),
        ]

    def rerun_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        task = self._operated(request, pk)
        new = rerun_or_say(request, task) if request.method == "POST" else None
        return redirect("admin:tasks_task_change", (new or task).pk)

    def pin_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Pins, or with ``no`` unpins."""
        task = self._operated(request, pk)
        if request.method == "POST":
            pin_and_say(request, [task], pinned="no" not in request.POST)
        return redirect("admin:tasks_task_change", task.pk)

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


def pin_and_say(request: HttpRequest, tasks: list[Task], *, pinned: bool) -> None:
    who = actor(request)
    changed = [task for task in tasks if lifecycle.pin(task, who, pinned=pinned)]
    if pinned:
        text = ngettext(
            "%(n)s task is pinned: it is kept however many follow it.",
            "%(n)s tasks are pinned: they are kept however many follow them.",
            len(changed),
        )
    else:
        text = ngettext(
            "%(n)s task is pinned no more.",
            "%(n)s tasks are pinned no more.",
            len(changed),
        )
    messages.success(request, text % {"n": len(changed)})
