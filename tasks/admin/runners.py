"""Runners in the admin: which live, where, and what each runs right now."""

from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tasks.admin.filters import RunnerStateFilter
from tasks.admin.read_only import NOTHING, LookedAt, marked, time_ago
from tasks.models import Runner, Task

# Each with the colour of a task's status that means as much.
SHAPES = {
    Runner.State.ALIVE: ("●", Task.Status.COMPLETED),
    Runner.State.LOST: ("✕", Task.Status.FAILED),
    Runner.State.CRASHED: ("✕", Task.Status.FAILED),
    Runner.State.STOPPED: ("⊘", Task.Status.CANCELLED),
}


@admin.register(Runner)
class RunnerAdmin(LookedAt):
    list_display = (
        "name", "state", "heartbeat", "runs", "host", "pid", "version", "started",
    )  # fmt: skip
    list_filter = (RunnerStateFilter,)
    search_fields = ("name", "host")
    fields = (
        "name", "state", "heartbeat", "runs", "host", "pid", "version", "concurrency",
        "takes", "labelled", "started_at", "stopped_at",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Runner]:
        running = Prefetch("tasks", Task.objects.running(), to_attr="running_now")
        return Runner.objects.with_state().prefetch_related(running)

    @admin.display(description=_("state"), ordering="state")
    def state(self, runner: Any) -> SafeString:
        state = Runner.State(runner.state)
        shape, colour = SHAPES[state]
        return marked(shape, state.label, colour)

    @admin.display(description=_("last heartbeat"), ordering="heartbeat_at")
    def heartbeat(self, runner: Runner) -> SafeString | str:
        return time_ago(runner.heartbeat_at)

    @admin.display(description=_("started"), ordering="started_at")
    def started(self, runner: Runner) -> SafeString | str:
        return time_ago(runner.started_at)

    @admin.display(description=_("types"))
    def takes(self, runner: Runner) -> str:
        return ", ".join(runner.types) or gettext("every type")

    @admin.display(description=_("labels"))
    def labelled(self, runner: Runner) -> str:
        return ", ".join(runner.labels or ()) or NOTHING

    @admin.display(description=_("runs now"))
    def runs(self, runner: Any) -> SafeString | str:
        links = (
            (reverse("admin:tasks_task_change", args=[task.pk]), str(task))
            for task in runner.running_now
        )
        return format_html_join(", ", '<a href="{}">{}</a>', links) or NOTHING
