"""Sheets and scripts that are put into a page itself."""

import re

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command
from django.http import HttpResponse
from django.template import engines
from django.test import override_settings
from django.urls import path

from resource_sync import in_page

TEMPLATE = """
{% load in_page %}
{% script "js/a.js" %}
{% sheets "css/a.css" "css/b.css" %}
"""
FILES = {"js/a.js": "say('<a>');\n", "css/a.css": "a {}\n", "css/b.css": "b > i {}\n"}


def page(request):
    return HttpResponse(engines["django"].from_string(TEMPLATE).render({}, request))


def plain(request):
    return HttpResponse("words")


urlpatterns = [path("page", page), path("plain", plain)]


@pytest.fixture(autouse=True)
def collected(tmp_path, settings):
    """These files are there, and collected as the product does it."""
    source = tmp_path / "source"
    for name, text in FILES.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    settings.ROOT_URLCONF = __name__
    settings.STATICFILES_DIRS = [source]
    settings.STATIC_ROOT = tmp_path / "collected"
    backend = "resource_sync.static_files.BundledStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": backend}}
    with override_settings(INSTALLED_APPS=["django.contrib.staticfiles"]):
        call_command("collectstatic", interactive=False, verbosity=0)
    in_page._text.cache_clear()
    yield
    in_page._text.cache_clear()


def test_a_page_has_them_and_its_policy_allows_these_alone(client):
    answer = client.get("/page")
    script, style = re.findall(r"<(?:script|style) nonce=\"([^\"]+)\">", answer.text)
    assert script == style
    assert ">say('<a>');\n</script>" in answer.text
    assert ">a {}\n\nb > i {}\n</style>" in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert f"script-src 'self' 'nonce-{script}';" in f"{policy};"
    assert f"style-src 'self' 'nonce-{style}';" in f"{policy};"
    assert script not in client.get("/page").text  # each answer has its own


def test_a_page_that_has_none_allows_files_alone(client):
    policy = client.get("/plain").headers["Content-Security-Policy"]
    assert "script-src 'self';" in f"{policy};"
    assert "style-src 'self';" in f"{policy};"


def test_a_script_that_takes_a_part_of_a_page_gets_none(client):
    html = client.get("/page", headers={"X-Requested-With": "fetch"}).text
    assert html.strip() == ""


def test_with_debug_they_are_files_as_they_are_written(client, settings):
    settings.DEBUG = True
    html = client.get("/page").text
    for name in FILES:
        assert f'"{staticfiles_storage.url(name)}"' in html
    assert "<style" not in html
    assert "nonce" not in html
