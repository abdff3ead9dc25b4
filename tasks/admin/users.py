"""People and groups in the admin: Django's own pages, but for what nobody makes up and
for a chooser of permissions that speaks English only."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth import admin as auth
from django.contrib.auth.models import Group, User
from django.db.models import ManyToManyField
from django.forms import CheckboxSelectMultiple

if TYPE_CHECKING:
    AnyUserAdmin = auth.UserAdmin[User]
else:  # generic for the type checker only
    AnyUserAdmin = auth.UserAdmin

TICKED: dict[Any, Any] = {ManyToManyField: {"widget": CheckboxSelectMultiple}}

admin.site.unregister([User, Group])


@admin.register(User)
class UserAdmin(AnyUserAdmin):
    readonly_fields = ("last_login", "date_joined")
    formfield_overrides = TICKED


@admin.register(Group)
class GroupAdmin(auth.GroupAdmin):
    formfield_overrides = TICKED
