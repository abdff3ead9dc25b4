"""A task as one file that is kept: GET /api/tasks/{id}/export.html."""

from django.http import HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request

from tasks import problems
from tasks.access.admission import ApiView, actor_of, base_url
from tasks.api.schema import TASK_ID, answer_header, described
from tasks.api.views import task_of
from tasks.logs.download import download, file_name
from tasks.presenters.export.document import export_of, inlined


class ExportView(ApiView):
    @described(
        "Export a task",
        "One HTML file with the task's facts, steps, result and lines, and for `admin` "
        "its audit trail, in the language of `Accept-Language`. It opens without the "
        "service and checks itself. A task that has not ended is refused.",
        operation_id="exportTask",
        parameters=(TASK_ID, answer_header("Content-Disposition", "A name.", 200)),
        answers={(200, "text/html"): OpenApiTypes.STR},
        problems=(404, 409),
    )
    def get(self, request: Request, id: str) -> HttpResponseBase:  # noqa: A002
        task = task_of(id)
        if not task.has_ended:
            text = _("The task has not ended yet. It can be exported once it has.")
            kind = f"{problems.KIND}status-conflict"
            return problems.problem(409, _("Status conflict"), text, kind=kind)
        who = actor_of(request)
        pieces = export_of(
            task, who.name, base_url(request), with_trail=who.rights.is_admin
        )
        day = task.completed_at and task.completed_at.date()
        name = file_name(task, f"{day}", ending=".html")
        response = download(pieces, "text/html; charset=utf-8", name)
        response["Content-Security-Policy"] = inlined().policy
        return response
