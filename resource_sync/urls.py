"""Which room answers which path."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("", include("tasks.api.urls")),
]

# Problem details for programs, pages for people.
handler400 = "tasks.api.problems.bad_request"
handler403 = "tasks.api.problems.permission_denied"
handler404 = "tasks.api.problems.not_found"
handler500 = "tasks.api.problems.server_error"
