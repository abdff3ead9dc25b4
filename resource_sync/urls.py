"""Which room answers which path."""

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, URLResolver, include, path

from tasks.access import sign_in
from tasks.web import (
    account,
    approval,
    compare,
    console,
    design,
    export,
    history,
    live,
    palette,
    plan,
    presence,
    releases,
    rerun,
    shared,
    task,
)
from tasks.web.bulk.page import cancel_all, rerun_all
from tasks.web.people import second_factor
from tasks.web.queue import banner as queue_banner
from tasks.web.queue import page as queue_page
from tasks.web.queue import questions as queue_questions
from tasks.web.schedules import page as schedules_page
from tasks.web.schedules import questions as schedule_questions

admin.autodiscover()

urlpatterns: list[URLPattern | URLResolver] = [
    # People's doors
    path("", console.console, name="console"),
    path("live", live.live, name="live"),
    path("live/console", console.console_live, name="console-live"),
    path("queue", queue_page.queue, name="queue"),
    path("live/queue", queue_page.queue_live, name="queue-live"),
    path("queue/pause", queue_questions.pause_queue, name="queue-pause"),
    path("queue/resume", queue_banner.resume_queue, name="queue-resume"),
    path("queue/freeze", queue_questions.freeze_types, name="queue-freeze"),
    path(
        "queue/freezes/<uuid:freeze_id>/lift",
        queue_questions.lift_freeze,
        name="queue-lift",
    ),
    path("schedules", schedules_page.schedules, name="schedules"),
    path("live/schedules", schedules_page.schedules_live, name="schedules-live"),
    path(
        "schedules/<uuid:schedule_id>/pause",
        schedule_questions.pause,
        name="schedule-pause",
    ),
    path(
        "schedules/<uuid:schedule_id>/resume",
        schedule_questions.resume,
        name="schedule-resume",
    ),
    path(
        "schedules/<uuid:schedule_id>/run-now",
        schedule_questions.run_now,
        name="schedule-run-now",
    ),
    path("live/plan", plan.plan, name="plan"),
    path(
        "live/tasks/<uuid:task_id>/presence",
        presence.PresenceView.as_view(),
        name="presence",
    ),
    path("account", account.account, name="account"),
    path("account/second-factor", second_factor.second_factor, name="second-factor"),
    path("sign-in/code", second_factor.second_step, name="second-step"),
    path(
        "sign-in/second-factor",
        second_factor.required,
        name="second-factor-required",
    ),
    path("design", design.design, name="design"),
    path("live/releases", releases.releases_live, name="releases-live"),
    path("releases", releases.releases, name="releases"),
    path("history", history.history, name="history"),
    path("palette", palette.palette, name="palette"),
    path("compare", compare.compare, name="compare"),
    path("tasks/cancel", cancel_all, name="tasks-cancel"),
    path("tasks/rerun", rerun_all, name="tasks-rerun"),
    path("tasks/<uuid:task_id>", task.task_page, name="task"),
    path("tasks/<uuid:task_id>/panel", task.panel, name="task-panel"),
    path("tasks/<uuid:task_id>/facts", task.facts, name="task-facts"),
    path("tasks/<uuid:task_id>/why", task.why_waiting, name="task-why"),
    path("tasks/<uuid:task_id>/rerun", rerun.rerun, name="task-rerun"),
    path("tasks/<uuid:task_id>/decide", approval.decide, name="task-decide"),
    path("tasks/<uuid:task_id>/cancel", task.cancel, name="task-cancel"),
    path("tasks/<uuid:task_id>/export", export.check, name="task-export"),
    path("shared/<str:token>", shared.page, name="shared"),
    path("shared/<str:token>/parts", shared.parts),
    path("shared/<str:token>/logs", shared.logs),
    path("shared/<str:token>/logs.txt", shared.logs_text),
    path("sign-in/<str:uidb64>/<str:token>", sign_in.sign_in, name="sign-in"),
    path("sign-out", LogoutView.as_view(), name="sign-out"),
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
    path("", include("tasks.api.urls")),
]

if settings.OIDC:  # only then, because what it imports takes 11 MB
    urlpatterns.append(path("oidc/", include("tasks.web.single_sign_on")))

# Problem details for programs, pages for people.
handler400 = "tasks.web.failures.bad_request"
handler403 = "tasks.web.failures.permission_denied"
handler404 = "tasks.web.failures.not_found"
handler500 = "tasks.web.failures.server_error"
