"""What is written down by itself: runners and the audit trail."""

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tasks.admin.looked_at import NOTHING, LookedAt, time_ago
from tasks.models import AuditEvent, Runner, Task
from tasks.pages.wording import SHAPES


@admin.register(Runner)
class RunnerAdmin(LookedAt):
    list_display = (
        "name", "host", "pid", "alive", "heartbeat", "runs", "started", "broke",
    )  # fmt: skip
    fields = (
        "name", "host", "pid", "alive", "heartbeat", "runs", "concurrency", "types",
        "started_at", "stopped_at", "broke",
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

    @admin.display(description=_("crashed"), ordering="crashed")
    def broke(self, runner: Runner) -> SafeString | str:
        if not runner.crashed:
            return NOTHING
        return format_html(
            '<span class="status" data-status="failed">{} {}</span>',
            SHAPES[Task.Status.FAILED],
            gettext("crashed"),
        )

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
