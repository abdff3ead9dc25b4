"""Django's own admin: look at everything, change only what may be changed.

Rerun, cancel, revoke: each goes through the same door as the API's.
"""

import json
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django.forms import ModelForm
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
from tasks.catalog import catalog
from tasks.models import ApiKey, AuditEvent, Runner, Task
from tasks.pages.shown import Shown
from tasks.pages.staff import actor
from tasks.pages.task_page import cancel_and_say
from tasks.pages.wording import ago_text
from tasks.task_types import ParameterErrors

admin.site.site_header = _("Resource Sync")
admin.site.site_title = _("Resource Sync")
admin.site.index_title = _("Administration")

NOTHING = "–"

if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Any]
else:  # generic for the type checker only
    AnyModelAdmin = admin.ModelAdmin


class LookedAt(AnyModelAdmin):
    """Seen by those who may view it; added, edited and deleted by nobody."""

    show_full_result_count = False

    class Media:
        css = {"all": ["css/tokens.css", "css/task.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def time_ago(moment: Any) -> SafeString | str:
    """``3 min ago`` with the exact time on hover."""
    if moment is None:
        return NOTHING
    exact = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(),
        exact,
        ago_text(moment, timezone.now()),
    )


# --- Tasks --------------------------------------------------------------------------


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
        (None, {"fields": ("type", "version", "parameters", "state", "done", "error")}),
        (
            _("Who and when"),
            {
                "fields": (
                    "id", "created_by", "created_from", "created_at", "started_at",
                    "completed_at", "duration", "origin", "runner",
                    "cancel_requested_by", "cancel_requested_at", "pinned",
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
        kind = catalog().get(task.type)
        known = kind.without_secrets(task.params) if kind else {}
        return ", ".join(f"{name}: {value}" for name, value in known.items()) or NOTHING

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
             NOTHING if row.exit_code is None else row.exit_code,
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
            "<td>{}</td><td>{}</td><td>{}</td></tr>",
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
        if request.method == "POST" and "sure" in request.POST:
            cancel_and_say(request, task)
            return redirect("admin:tasks_task_change", task.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Cancel %(task)s?") % {"task": task},
            "opts": self.opts,
            "original": task,
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
        messages.error(request, text % {"task": task, "reason": error})
        return None


# --- API keys -----------------------------------------------------------------------


@admin.register(ApiKey)
class ApiKeyAdmin(LookedAt):
    list_display = ("name", "start", "created", "used", "revoked")
    search_fields = ("name", "prefix")
    actions = ("revoke_selected",)
    change_form_template = "admin/tasks/apikey/change_form.html"
    fields = ("name", "prefix", "created_at", "last_used_at", "revoked_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tasks.add_apikey")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tasks.change_apikey")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.fields if obj else ("name",)

    @admin.display(description=_("prefix"), ordering="prefix")
    def start(self, key: ApiKey) -> str:
        return f"{key.prefix}…"

    @admin.display(description=_("created"), ordering="created_at")
    def created(self, key: ApiKey) -> SafeString | str:
        return time_ago(key.created_at)

    @admin.display(description=_("last used"), ordering="last_used_at")
    def used(self, key: ApiKey) -> SafeString | str:
        return time_ago(key.last_used_at) if key.last_used_at else gettext("never")

    @admin.display(description=_("revoked"), ordering="revoked_at")
    def revoked(self, key: ApiKey) -> SafeString | str:
        return time_ago(key.revoked_at)

    def save_model(
        self, request: HttpRequest, obj: Any, form: "ModelForm[Any]", change: bool
    ) -> None:
        made, secret = ApiKey.objects.issue(obj.name)
        obj.pk, obj.prefix = made.pk, made.prefix
        request.new_key = secret  # type: ignore[attr-defined]  # for response_add
        record(request, "key.create", made)

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Shown in the answer itself: a message would pass through a cookie or the
        session's table, and be kept there."""
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("The key for %(name)s") % {"name": obj.name},
            "opts": self.opts,
            "secret": request.new_key,  # type: ignore[attr-defined]
        }
        return TemplateResponse(request, "admin/tasks/apikey/made.html", context)

    @admin.action(description=_("Revoke selected keys"), permissions=["revoke"])
    def revoke_selected(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> None:
        for key in keys:
            revoke(request, key)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.revoke_view)
        return [
            path("<int:pk>/revoke/", view, name="tasks_apikey_revoke"),
            *super().get_urls(),
        ]

    def revoke_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not self.has_revoke_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            revoke(request, get_object_or_404(ApiKey, pk=pk))
        return redirect("admin:tasks_apikey_changelist")

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        *args: Any,
        **kwargs: Any,
    ) -> HttpResponse:
        context["may_revoke"] = self.has_revoke_permission(request)
        return super().render_change_form(request, context, *args, **kwargs)


def revoke(request: HttpRequest, key: ApiKey) -> None:
    """From now on the key opens nothing; says so, also where it did already."""
    usable = ApiKey.objects.usable().filter(pk=key.pk)
    if usable.update(revoked_at=timezone.now()):
        record(request, "key.revoke", key)
        text = gettext("%(key)s is revoked: it opens nothing any more.")
        messages.success(request, text % {"key": key})
    else:
        text = gettext("%(key)s was revoked before.")
        messages.warning(request, text % {"key": key})


def record(request: HttpRequest, action: str, key: ApiKey) -> None:
    who = actor(request)
    AuditEvent.objects.create(
        actor=who.name, address=who.address, action=action, target=str(key)
    )


# --- Runners, audit -----------------------------------------------------------------


@admin.register(Runner)
class RunnerAdmin(LookedAt):
    list_display = ("name", "host", "pid", "alive", "heartbeat", "runs", "started")
    fields = (
        "name", "host", "pid", "alive", "heartbeat", "runs", "concurrency", "types",
        "started_at", "stopped_at",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Runner]:
        alive = Runner.objects.alive().filter(pk=OuterRef("pk"))
        running = Prefetch("tasks", Task.objects.running(), to_attr="running_now")
        runners: QuerySet[Runner] = super().get_queryset(request)
        return runners.annotate(is_alive=Exists(alive)).prefetch_related(running)

    @admin.display(description=_("alive"), boolean=True, ordering="is_alive")
    def alive(self, runner: Any) -> bool:
        return bool(runner.is_alive)

    @admin.display(description=_("last heartbeat"), ordering="heartbeat_at")
    def heartbeat(self, runner: Runner) -> SafeString | str:
        return time_ago(runner.heartbeat_at)

    @admin.display(description=_("started"), ordering="started_at")
    def started(self, runner: Runner) -> SafeString | str:
        return time_ago(runner.started_at)

    @admin.display(description=_("runs now"))
    def runs(self, runner: Any) -> SafeString | str:
        links = (
            (reverse("admin:tasks_task_change", args=[task.pk]), str(task))
            for task in runner.running_now
        )
        return format_html_join(", ", '<a href="{}">{}</a>', links) or NOTHING


@admin.register(AuditEvent)
class AuditEventAdmin(LookedAt):
    list_display = ("at", "actor", "action", "target", "address")
    list_filter = ("action", "at")
    search_fields = ("actor", "target")
    fields = ("at", "actor", "address", "action", "target", "details")
