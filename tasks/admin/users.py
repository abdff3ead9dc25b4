"""People in the admin: Django's own page, but for times that nobody makes up."""

from django.contrib import admin
from django.contrib.auth import admin as auth
from django.contrib.auth.models import User

admin.site.unregister(User)


@admin.register(User)
class UserAdmin(auth.UserAdmin):
    readonly_fields = ("last_login", "date_joined")
