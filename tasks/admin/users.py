"""People and groups in the admin: Django's own pages, but for what nobody makes up and
for permissions, whose chooser and names are English only."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth import admin as auth
from django.contrib.auth.models import Group, Permission, User
from django.db.models import ManyToManyField
from django.forms import CheckboxSelectMultiple, ModelMultipleChoiceField
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    AnyUserAdmin = auth.UserAdmin[User]
    AnyChoices = ModelMultipleChoiceField[Group | Permission]
else:  # generic for the type checker only
    AnyUserAdmin = auth.UserAdmin
    AnyChoices = ModelMultipleChoiceField

# Django keeps the names of permissions in the database, in English.
ACTS = {
    "view": _("may look at"),
    "add": _("may add"),
    "change": _("may change"),
    "delete": _("may delete"),
}


class Choices(AnyChoices):
    """Groups, and permissions in the reader's language."""

    def label_from_instance(self, obj: Group | Permission) -> str:
        if not isinstance(obj, Permission):
            return super().label_from_instance(obj)
        act = obj.codename.partition("_")[0]
        return f"{obj.content_type} | {ACTS.get(act, obj.name)}"


TICKED: dict[Any, Any] = {
    ManyToManyField: {"widget": CheckboxSelectMultiple, "form_class": Choices}
}

admin.site.unregister([User, Group])


@admin.register(User)
class UserAdmin(AnyUserAdmin):
    readonly_fields = ("last_login", "date_joined")
    formfield_overrides = TICKED


@admin.register(Group)
class GroupAdmin(auth.GroupAdmin):
    formfield_overrides = TICKED
