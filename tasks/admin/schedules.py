"""Schedules in the admin: people make, change and delete their own here; those of the
task types file are only looked at."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tasks.access.staff import actor
from tasks.admin.read_only import NOTHING, LookedAt, exact_time, marked
from tasks.admin.schedule_form import ScheduleForm
from tasks.models import Schedule, Task
from tasks.presenters.links import schedule_link
from tasks.schedules import acts
from tasks.schedules.representation import next_runs_of

# Each with the colour of a task's status that means as much.
SHAPES = {
    Schedule.State.ACTIVE: ("●", Task.Status.COMPLETED),
    Schedule.State.PAUSED: ("◌", Task.Status.PENDING),
    Schedule.State.RETIRED: ("⊘", Task.Status.CANCELLED),
}


@admin.register(Schedule)
class ScheduleAdmin(LookedAt):
    form = ScheduleForm
    list_display = (
        "name", "type", "cron", "timezone", "state_now", "next_time", "failures",
        "origin",
    )  # fmt: skip
    search_fields = ("name", "type")
    ordering = ("name", "pk")
    actions = None
    seen = (
        "name", "type", "cron", "timezone", "params", "overlap", "catch_up",
        "state_now", "next_times", "failures", "origin", "created_by",
    )  # fmt: skip

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("tasks.add_schedule"))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may = request.user.has_perm("tasks.change_schedule")
        return bool(may) and _is_made_by_people(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may = request.user.has_perm("tasks.delete_schedule")
        return bool(may) and _is_made_by_people(obj)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ScheduleForm.Meta.fields
        if self.has_change_permission(request, obj):
            return (*ScheduleForm.Meta.fields, "next_times")
        return self.seen

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("state_now", "next_times")

    @admin.display(description=_("state"))
    def state_now(self, schedule: Schedule) -> SafeString:
        shape, colour = SHAPES[schedule.state]
        return marked(shape, schedule.state.label, colour)

    @admin.display(description=_("next run"), ordering="next_run_at")
    def next_time(self, schedule: Schedule) -> SafeString | str:
        runs = next_runs_of(schedule, 1)
        return exact_time(runs[0]) if runs else NOTHING

    @admin.display(description=_("next runs"))
    def next_times(self, schedule: Schedule) -> SafeString | str:
        runs = [(exact_time(at),) for at in next_runs_of(schedule)]
        return format_html_join(SafeString("<br>"), "{}", runs) or NOTHING

    def save_model(
        self, request: HttpRequest, obj: Any, form: "ModelForm[Any]", change: bool
    ) -> None:
        act = acts.change if change else acts.make
        act(obj, actor(request))

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        acts.delete(obj, actor(request))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Name the schedule and count its runs: there may be half a million."""
        found: QuerySet[Schedule] | list[Schedule] = objs
        runs = {
            gettext("Scheduled runs"): sum(one.runs.count() for one in found),
        }
        return [str(one) for one in found], runs, set(), []

    def response_post_save_add(
        self, request: HttpRequest, obj: Any
    ) -> HttpResponseRedirect:
        return redirect(schedule_link(obj.pk))

    def response_post_save_change(
        self, request: HttpRequest, obj: Any
    ) -> HttpResponseRedirect:
        return redirect(schedule_link(obj.pk))

    def response_delete(
        self, request: HttpRequest, obj_display: str, obj_id: int
    ) -> HttpResponse:
        super().response_delete(request, obj_display, obj_id)  # with its message
        return redirect("schedules")


def _is_made_by_people(schedule: Schedule | None) -> bool:
    return schedule is None or schedule.origin == Schedule.Origin.PERSON
