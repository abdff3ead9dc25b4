"""A page is told at once of all modules that it runs."""

import re

from django.conf import settings
from django.template import Context, Template

from resource_sync.modules import imported

JS = settings.BASE_DIR / "static" / "js"
# Any import that is no call, however it is written: a call asks when it is needed.
IMPORTED = re.compile(r"""\b(?:from|import)\s*["']([^"']+)["']""")


def test_it_finds_all_that_a_module_and_its_imports_import():
    found = {JS.parent / name for name in imported("js/task_page.js")}
    modules = {JS / "task_page.js", *found}
    for module in modules:
        for target in IMPORTED.findall(module.read_text()):
            assert (module.parent / target).resolve() in modules


def test_what_is_asked_for_when_it_is_needed_is_not_among_it():
    assert "js/palette.js" in imported("js/task_page.js")
    assert not [name for name in imported("js/task_page.js") if "palette/" in name]


def test_a_page_loads_each_once_and_runs_one():
    page = Template('{% load modules %}{% module "js/task_page.js" %}')
    html = page.render(Context())
    preloaded = re.findall(r'<link rel="modulepreload" href="([^"]+)">', html)
    assert len(preloaded) == len(set(preloaded)) == len(imported("js/task_page.js"))
    assert "/static/js/log/row.js" in preloaded
    assert html.count("<script") == 1
    assert '<script type="module" src="/static/js/task_page.js"></script>' in html
