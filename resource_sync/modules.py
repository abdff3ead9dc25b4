"""The template tag that brings a page's module, with all that it imports."""

import re
from functools import cache
from pathlib import Path
from posixpath import dirname, join, normpath

from django import template
from django.contrib.staticfiles import finders
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()
IMPORT = re.compile(r'^(?:import|export)\b[^;]*?"(\.[^"]+\.js)";$', re.MULTILINE)


@register.simple_tag
def module(name: str) -> SafeString:
    """Return the element that runs a module. A browser would find what it imports one
    step after the other; here it is told of all of it at once."""
    preload = '<link rel="modulepreload" href="{}">\n'
    links = format_html_join("", preload, ((static(n),) for n in imported(name)))
    return format_html(
        '{}<script type="module" src="{}"></script>', links, static(name)
    )


@cache
def imported(name: str) -> tuple[str, ...]:
    """Return the modules that a module imports, and those that they import."""
    found: dict[str, None] = {}
    wanted = [name]
    while wanted:
        importer = wanted.pop(0)
        path = finders.find(importer)
        if not isinstance(path, str):
            continue
        for target in IMPORT.findall(Path(path).read_text(encoding="utf-8")):
            other = normpath(join(dirname(importer), target))
            if other not in found and other != name:
                found[other] = None
                wanted.append(other)
    return tuple(found)
