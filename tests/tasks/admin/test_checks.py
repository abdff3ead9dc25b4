"""Django's checks of the admin, which registers its models only with the URLs."""

from django.contrib import admin
from django.core.checks import run_checks
from django.urls import get_resolver


def test_the_admin_has_its_models_and_they_are_in_order():
    assert get_resolver().url_patterns
    names = {model.__name__ for model in admin.site._registry}
    assert {"Task", "Runner", "ApiKey", "AuditEvent", "User"} <= names
    assert run_checks(tags=["admin"]) == []
