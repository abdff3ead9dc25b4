"""Pages, compressed where no proxy does it."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware


class CompressedPages(GZipMiddleware):
    """Django's, for pages alone: static files are compressed once, when they are
    collected; streams and downloads go as they come, and the lines of programs are read
    by programs on the same network. The random length that Django adds and the token
    that is another each time keep a page's secrets from being guessed by its size."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        if response.streaming or kind != "text/html":
            return response
        return super().process_response(request, response)
