"""Plain requests, where people come by https: what reads is redirected (by Django),
what acts is refused."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language_from_request, override
from django.utils.translation import gettext as _

from streaming.refusals import with_common_headers
from tasks.own_url import own_url
from tasks.problems import KIND, problem

SAFE = {"GET", "HEAD", "OPTIONS"}
View = Callable[[HttpRequest], HttpResponse]


def refuse_plain_acts(view: View) -> View:
    """A middleware in front of Django's. Most clients follow a redirect of a POST by a
    GET, or not at all, and nobody is told that nothing was done."""

    def checked(request: HttpRequest) -> HttpResponse:
        is_plain = settings.SECURE_SSL_REDIRECT and not request.is_secure()
        if not is_plain or request.method in SAFE:
            return view(request)
        with override(get_language_from_request(request)):  # Django's is behind this
            refusal = problem(
                403,
                _("https only"),
                _(
                    "Nothing was done: this service takes requests by https only: "
                    "%(url)s"
                )
                % {"url": https_url(request)},
                kind=KIND + "https-only",
            )
        return with_common_headers(request, refusal)

    return checked


def https_url(request: HttpRequest) -> str:
    """Return the address to use: this machine's own names have no certificate."""
    url = own_url()
    if not url.startswith("https:"):
        url = f"https://{request.get_host()}"
    return f"{url}{request.path}"
