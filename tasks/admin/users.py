"""People and groups in the admin: Django's own pages, but for what nobody makes up and
for a chooser of permissions that speaks English only."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth import admin as auth
from django.contrib.auth.models import Group, User
from django.db.models import ManyToManyField
from django.forms import CheckboxSelectMultiple, ModelMultipleChoiceField
from django.http import HttpRequest

if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Any]
else:  # generic for the type checker only
    AnyModelAdmin = admin.ModelAdmin

admin.site.unregister([User, Group])


class Ticked(AnyModelAdmin):
    """Groups and permissions are ticked."""

    def formfield_for_manytomany(
        self,
        db_field: "ManyToManyField[Any, Any]",
        request: HttpRequest,
        **options: Any,
    ) -> ModelMultipleChoiceField | None:
        options["widget"] = CheckboxSelectMultiple
        return super().formfield_for_manytomany(db_field, request, **options)


@admin.register(User)
class UserAdmin(Ticked, auth.UserAdmin):
    readonly_fields = ("last_login", "date_joined")


@admin.register(Group)
class GroupAdmin(Ticked, auth.GroupAdmin):
    """As Django's."""
