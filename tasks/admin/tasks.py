"""Tasks in the admin: found, read, run again, cancelled, pinned, exported."""

import json
import uuid
from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
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
from tasks.access.actor import ScopeTooSmall
from tasks.access.staff import actor
from tasks.admin.filters import PersonFilter, TypeFilter, VersionFilter
from tasks.admin.keyset_admin import LongList
from tasks.admin.task_fields import FIELDSETS, TaskFields
from tasks.models import Task, ids_beginning_with
from tasks.presenters.acts import acts, cancel_and_say
from tasks.presenters.approvals.acts import decide_and_say
from tasks.presenters.approvals.card import card_of
from tasks.presenters.names import full_name_of
from tasks.presenters.rerun import Question, context_of, questions_of, run_again
from tasks.presenters.task import Shown
from tasks.representation import shown_params
from tasks.search import holding
from tasks.timestamps import iso

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
        "state", "type", "version", "starter", "created", "duration",
        "line_count", "kept",
    )  # fmt: skip
    list_display_links = ("state", "type")
    list_filter = (
        "status", TypeFilter, VersionFilter, PersonFilter, "created_at", "pinned",
    )  # fmt: skip
    date_hierarchy, newest_by = "created_at", "number"
    search_fields = ("id", "version", "created_by")
    search_help_text = _("Start of an ID, or part of a version or person")
    actions = (
        "rerun_selected",
        "cancel_selected",
        "approve_selected",
        "reject_selected",
        "pin_selected",
        "unpin_selected",
        "export_selected",
    )
    change_form_template = "admin/tasks/task/change_form.html"
    export_columns = COLUMNS

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        # Results and trails may be large, and no list shows them.
        return super().get_queryset(request).defer("result", "trail")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fields; those of the audit trail only to whom may see it."""
        if request.user.has_perm("tasks.view_auditevent"):
            return FIELDSETS
        return FIELDSETS[:-1]

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
    def rerun_selected(
        self, request: HttpRequest, tasks: QuerySet[Task]
    ) -> HttpResponse | None:
        """Asks first; the answer comes as ``sure``, with what types that ask want to
        have typed."""
        questions = questions_of(tasks, actor(request))
        if "sure" in request.POST:
            made, questions = run_again(questions, request)
            if made:
                text = ngettext(
                    "%(n)s task was rerun.",
                    "%(n)s tasks were rerun.",
                    len(made),
                )
                messages.success(request, text % {"n": len(made)})
            say_refusals(request, questions)
            if len(made) == 1:
                return redirect("admin:tasks_task_change", made[0].pk)
            if not any(question.is_wrong for question in questions):
                return None
        elif all(question.refusal for question in questions):
            say_refusals(request, questions)
            return None
        title = gettext("Run these tasks again?")
        if len(questions) == 1:
            name = full_name_of(questions[0].task)
            title = gettext("Run %(task)s again?") % {"task": name}
        context = context_of(questions)
        return self._ask(request, "rerun", title, **context)

    @admin.action(description=_("Cancel selected tasks"), permissions=["operate"])
    def cancel_selected(
        self, request: HttpRequest, tasks: QuerySet[Task]
    ) -> HttpResponse | None:
        """The same for the end of several."""
        if "sure" in request.POST:
            for task in tasks:
                cancel_and_say(request, task)
            return None
        title = gettext("Cancel these tasks?")
        named = [(task, full_name_of(task)) for task in tasks]
        return self._ask(request, "cancel_selected", title, named=named)

    @admin.action(description=_("Approve selected tasks"), permissions=["view"])
    def approve_selected(
        self, request: HttpRequest, tasks: QuerySet[Task]
    ) -> HttpResponse | None:
        """Asks first, showing what is to be approved; who may is decided for each."""
        return self._decide(request, tasks, is_approved=True)

    @admin.action(description=_("Reject selected tasks"), permissions=["view"])
    def reject_selected(
        self, request: HttpRequest, tasks: QuerySet[Task]
    ) -> HttpResponse | None:
        return self._decide(request, tasks, is_approved=False)

    def _decide(
        self, request: HttpRequest, tasks: QuerySet[Task], *, is_approved: bool
    ) -> HttpResponse | None:
        if "sure" in request.POST:
            comment = request.POST.get("comment", "")
            for task in tasks:
                seen = request.POST.get(f"seen-{task.pk}", "")
                decide_and_say(
                    request,
                    task.pk,
                    is_approved=is_approved,
                    comment=comment,
                    seen=seen,
                )
            return None
        title = gettext("Approve these tasks?")
        if not is_approved:
            title = gettext("Reject these tasks?")
        who = actor(request)
        named = [(task, full_name_of(task), card_of(task, who)) for task in tasks]
        return self._ask(
            request, "decide_selected", title, named=named, is_approved=is_approved
        )

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
        found = self.rerun_selected(request, Task.objects.filter(pk=task.pk))
        return found or redirect("admin:tasks_task_change", task.pk)

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
        lifecycle.let_cancel(actor(request), task)
        if request.method == "POST" and "sure" in request.POST:
            cancel_and_say(request, task, force=force)
            return redirect("admin:tasks_task_change", task.pk)
        question = (
            gettext("Force-stop %(task)s?") if force else gettext("Cancel %(task)s?")
        )
        title = question % {"task": full_name_of(task)}
        return self._ask(request, "cancel", title, original=task, force=force)

    def _ask(
        self, request: HttpRequest, template: str, title: str, **context: Any
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "checkbox": ACTION_CHECKBOX_NAME,
            **context,
        }
        return TemplateResponse(request, f"admin/tasks/task/{template}.html", context)

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
        context["may"] = acts(actor(request), task)
        context["awaited"] = card_of(task, actor(request))
        context["checkbox"] = ACTION_CHECKBOX_NAME
        return super().render_change_form(request, context, *args, **kwargs)


def say_refusals(request: HttpRequest, questions: Iterable[Question]) -> None:
    """Leave a message for each task that can't be run again."""
    text = gettext("%(task)s can't be run again: %(reason)s")
    for question in questions:
        if question.refusal:
            words = {"task": full_name_of(question.task), "reason": question.refusal}
            messages.error(request, text % words)


def pin_or_say(request: HttpRequest, task: Task, *, pinned: bool) -> bool:
    """Return whether that changed something; where they may not, a message says so."""
    try:
        return lifecycle.pin(task, actor(request), pinned=pinned)
    except ScopeTooSmall as refused:
        messages.error(request, f"{full_name_of(task)}: {refused}")
        return False


def pin_and_say(request: HttpRequest, tasks: list[Task], *, pinned: bool) -> None:
    changed = [task for task in tasks if pin_or_say(request, task, pinned=pinned)]
    if not changed:
        return
    if pinned:
        text = ngettext(
            "%(n)s task is pinned and will not be deleted.",
            "%(n)s tasks are pinned and will not be deleted.",
            len(changed),
        )
    else:
        text = ngettext(
            "%(n)s task is no longer pinned.",
            "%(n)s tasks are no longer pinned.",
            len(changed),
        )
    messages.success(request, text % {"n": len(changed)})
