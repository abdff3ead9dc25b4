"""Which view answers which path of the API."""

from django.urls import path, re_path

from tasks.api import about
from tasks.api.approvals.views import ApproveView, RejectView
from tasks.api.bulk.views import CancelSeveralView, RerunSeveralView
from tasks.api.client_file import ClientDigestView, ClientView
from tasks.api.events import EventsView, StreamsView
from tasks.api.export import ExportView
from tasks.api.freezes import FreezesView, FreezeView
from tasks.api.health import HealthView, LiveView, ReadyView
from tasks.api.log.lines import LogViewSet
from tasks.api.log.pages import LogPagesView
from tasks.api.metrics.view import MetricsView
from tasks.api.queue import PauseView, QueueView, ResumeView
from tasks.api.release_history import ReleaseHistoryView
from tasks.api.releases import ChangesView, ReleasesView
from tasks.api.schedules import ScheduleViewSet
from tasks.api.shares import ShareView, TaskSharesView, TaskShareView
from tasks.api.task_types import TaskTypesView
from tasks.api.versions import VersionsView
from tasks.api.views import TaskViewSet
from tasks.api.webhooks.views import WebhookViewSet

task, log = TaskViewSet.as_view, LogViewSet.as_view
schedule, webhook = ScheduleViewSet.as_view, WebhookViewSet.as_view

urlpatterns = [
    path("health", HealthView.as_view(), name="health"),
    path("health/live", LiveView.as_view(), name="health-live"),
    path("health/ready", ReadyView.as_view(), name="health-ready"),
    path("metrics", MetricsView.as_view(), name="metrics"),
    path("client", ClientView.as_view(), name="client"),
    path("client.sha256", ClientDigestView.as_view()),
    path("api", about.RootView.as_view(), name="api"),
    path("api/", about.RootView.as_view(schema=None)),
    path("api/schema", about.SchemaView.as_view(), name="api-schema"),
    path("api/docs", about.DocsView.as_view(), name="api-docs"),
    path("api/task-types", TaskTypesView.as_view(), name="api-task-types"),
    path("api/events", EventsView.as_view(), name="api-events"),
    path("api/streams", StreamsView.as_view(), name="api-streams"),
    path("api/releases", ReleasesView.as_view(), name="api-releases"),
    path("api/releases/<str:platform>/history", ReleaseHistoryView.as_view()),
    path("api/releases/<str:platform>/changes", ChangesView.as_view()),
    path("api/schedules", schedule({"get": "list"}), name="api-schedules"),
    path("api/schedules/<str:id>", schedule({"get": "retrieve"})),
    path("api/schedules/<str:id>/pause", schedule({"post": "pause"})),
    path("api/schedules/<str:id>/resume", schedule({"post": "resume"})),
    path("api/schedules/<str:id>/run-now", schedule({"post": "run_now"})),
    path("api/versions", VersionsView.as_view(), name="api-versions"),
    path("api/freezes", FreezesView.as_view(), name="api-freezes"),
    path("api/freezes/<str:id>", FreezeView.as_view()),
    path("api/queue", QueueView.as_view(), name="api-queue"),
    path("api/queue/pause", PauseView.as_view()),
    path("api/queue/resume", ResumeView.as_view()),
    path("api/tasks", task({"get": "list"}), name="api-tasks"),
    # No type is called so: tasks.catalog.loader.
    path("api/tasks/cancel", CancelSeveralView.as_view()),
    path("api/tasks/rerun", RerunSeveralView.as_view()),
    # A GET names a task here, a POST a type.
    path("api/tasks/<str:type>", task({"get": "retrieve", "post": "create"})),
    path("api/tasks/<str:id>/status", task({"get": "status"}), name="api-task"),
    path("api/tasks/<str:id>/stream", log({"get": "stream"}), name="api-stream"),
    path("api/tasks/<str:id>/log", LogPagesView.as_view(), name="api-log"),
    path("api/tasks/<str:id>/logs", log({"get": "logs"})),
    path("api/tasks/<str:id>/logs/matches", log({"get": "matches"})),
    path("api/tasks/<str:id>/logs/landmarks", log({"get": "landmarks"})),
    path("api/tasks/<str:id>/logs/summary", log({"get": "summary"})),
    path("api/tasks/<str:id>/logs.txt", log({"get": "download"})),
    path("api/tasks/<str:id>/export.html", ExportView.as_view(), name="api-export"),
    path("api/tasks/<str:id>/cancel", task({"post": "cancel"})),
    path("api/tasks/<str:id>/rerun", task({"post": "rerun"})),
    path("api/tasks/<str:id>/approve", ApproveView.as_view()),
    path("api/tasks/<str:id>/reject", RejectView.as_view()),
    path("api/tasks/<str:id>/share", TaskShareView.as_view()),
    path("api/tasks/<str:id>/shares", TaskSharesView.as_view()),
    path("api/shares/<str:id>", ShareView.as_view()),
    path("api/tasks/<str:id>/pin", task({"put": "pin", "delete": "unpin"})),
    path("api/webhooks", webhook({"get": "list", "post": "create"})),
    path("api/webhooks/<str:id>", webhook({"get": "retrieve", "delete": "destroy"})),
    path("api/webhooks/<str:id>/enable", webhook({"post": "enable"})),
    path("api/webhooks/<str:id>/disable", webhook({"post": "disable"})),
    path("api/webhooks/<str:id>/test", webhook({"post": "test"})),
    path("api/webhooks/<str:id>/deliveries", webhook({"get": "deliveries"})),
    path(
        "api/webhooks/<str:id>/deliveries/<int:delivery>/resend",
        webhook({"post": "send_again"}),
    ),
    re_path(r"^api/", about.UnknownView.as_view()),
]
