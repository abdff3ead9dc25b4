"""Template tags that put style sheets and small scripts into a page itself.

A browser paints nothing before it has the sheets and scripts of a page's head. As files
they cost a round trip more: over a line that takes 400 ms to answer, 0.5 s until the
heading is there. docs/decisions/0064 says what was measured. The policy allows them by
the response's nonce (https://www.w3.org/TR/CSP3/#security-nonces).
"""

from functools import cache

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.http import HttpRequest
from django.template import Context, Library
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = Library()


@register.simple_tag(takes_context=True)
def sheets(context: Context, *names: str) -> SafeString:
    """Return these style sheets as one element; links to them where files are served
    as they are written."""
    if not _are_collected():
        links = [(staticfiles_storage.url(name),) for name in names]
        return format_html_join("\n", '<link rel="stylesheet" href="{}">', links)
    if _is_for_a_part(context):
        return SafeString("")
    return _element("style", context, "\n".join(map(_text, names)))


@register.simple_tag(takes_context=True)
def script(context: Context, name: str) -> SafeString:
    """Return a script that runs before anything is painted, likewise."""
    if not _are_collected():
        return format_html('<script src="{}"></script>', staticfiles_storage.url(name))
    if _is_for_a_part(context):
        return SafeString("")
    return _element("script", context, _text(name))


def _are_collected() -> bool:
    """Whether what is served was made from what is written, and so can't change."""
    return hasattr(staticfiles_storage, "stored_name") and not settings.DEBUG


def _is_for_a_part(context: Context) -> bool:
    """Whether a script of ours asks, which takes the page apart and has the sheets:
    see static/js/session.js."""
    request: HttpRequest = context["request"]
    return request.headers.get("X-Requested-With") == "fetch"


def _element(kind: str, context: Context, text: str) -> SafeString:
    nonce = str(context["request"].csp_nonce)
    inside = SafeString(text)  # ours, and nothing else
    return format_html('<{} nonce="{}">{}</{}>', kind, nonce, inside, kind)


@cache
def _text(name: str) -> str:
    stored = staticfiles_storage.stored_name(name)  # type: ignore[attr-defined]
    with staticfiles_storage.open(stored) as file:
        return bytes(file.read()).decode()
