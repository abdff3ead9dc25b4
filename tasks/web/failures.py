"""What is answered where a request fails outside of a view: problem details to
programs, pages to people.

These pages are made of a few sentences and the language that the request asks for.
They need no database, no session and no context, and look at nothing that may be what
has failed.
"""

import sys
from http import HTTPStatus

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views import defaults

from tasks import problems
from tasks.access import request_id
from tasks.databases.errors import outage_errors
from tasks.disk import is_full

# By status: what it is, and what can be done.
SENTENCES = {
    400: (
        gettext_noop("This request can't be understood"),
        gettext_noop("The address may not have been copied completely."),
    ),
    403: (
        gettext_noop("You don't have permission to do this"),
        gettext_noop(
            "Your account doesn't have permission to do this. Someone in the group "
            "“admin” can add it to another group under Users in the administration."
        ),
    ),
    404: (
        gettext_noop("Page not found"),
        gettext_noop("Finished tasks are deleted after a while, with their pages."),
    ),
    500: (
        gettext_noop("Something went wrong"),
        gettext_noop("The error has been logged."),
    ),
    503: (
        gettext_noop("The database does not answer"),
        gettext_noop(
            "The service is running, but cannot read or store anything at the moment."
        ),
    ),
}
DISK_FULL = gettext_noop("The disk is full")
FORM_REFUSED = (
    gettext_noop("This form has expired"),
    gettext_noop(
        "Nothing was done. Someone signed in or out after the page was opened, or the "
        "browser blocks cookies. Reload the page, then try again."
    ),
)


STYLES = ("tokens", "base", "frame")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if problems.is_for_programs(request):
        return problems.from_exception(exception)
    if isinstance(exception, DisallowedHost):
        with translation.override(translation.get_language_from_request(request)):
            return page(request, 400, text=problems.wrong_host(exception))
    return page(request, 400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    if problems.is_for_programs(request):
        return problems.from_exception(exception)
    try:
        return defaults.permission_denied(request, exception)
    except outage_errors():  # it would show who is signed in
        return page(request, 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if problems.is_for_programs(request):
        return problems.from_exception(exception)
    try:
        return defaults.page_not_found(request, exception)
    except outage_errors():
        return page(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django has logged it already; whether it was the database is worth telling."""
    error = sys.exc_info()[1]
    is_down = isinstance(error, outage_errors())
    if problems.is_for_programs(request):
        return problems.no_database(error) if is_down else problems.unexpected()
    if not is_down:
        return page(request, 500)
    problems.forget_dead_connections(error)
    title = DISK_FULL if is_full(error) else ""
    response = page(request, 503, title, problems.known_cause(error))
    response["Retry-After"] = str(problems.DATABASE_RETRY_SECONDS)
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    if problems.is_for_programs(request):
        return problems.problem(403, None, _("The CSRF token is missing or wrong."))
    return page(request, 403, *FORM_REFUSED)


def page(
    request: HttpRequest, status: int, title: str = "", text: str | None = None
) -> HttpResponse:
    """A page of its own on what went wrong; one that may go right later tries again."""
    with translation.override(translation.get_language_from_request(request)):
        own_title, own_text = SENTENCES[status]
        is_over_soon = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        context = {
            "title": _(title or own_title),
            "text": _(own_text if text is None else text),
            "again": request.get_full_path() if is_over_soon else "",
            "retries": is_over_soon and request.method == "GET",
            "request_id": request_id.current() if is_over_soon else "",
            "styles": [
                _static(f"css/{name}.css") for name in ("tokens", "base", "frame")
            ],
            "theme": _static("js/theme.js"),
            "script": _static("js/failure_page.js"),
        }
        response = HttpResponse(
            render_to_string("failure.html", context), status=status
        )
    response["Cache-Control"] = "no-store"
    return response


def _static(name: str) -> str:
    """Return a file's address; "" where it was not collected: that may have failed."""
    try:
        return static(name)
    except ValueError:
        return ""
