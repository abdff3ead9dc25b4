"""People and groups in the admin: Django's own pages, but that nobody raises himself,
and that what people may do comes from their groups alone."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth import admin as auth
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db.models import ManyToManyField
from django.forms import CheckboxSelectMultiple, ModelMultipleChoiceField
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from tasks.access.rights import GROUPS
from tasks.admin.factor_reset import FactorReset
from tasks.admin.own_filters import OwnFilters
from tasks.admin.people_audit import WrittenDown

if TYPE_CHECKING:
    AnyUserAdmin = auth.UserAdmin[User]
    AnyChoices = ModelMultipleChoiceField[Group]
else:  # generic for the type checker only
    AnyUserAdmin = auth.UserAdmin
    AnyChoices = ModelMultipleChoiceField

admin.site.unregister([User, Group])


class Ticked(AnyChoices):
    """Rows to tick. Django's own asks the database also for keys that can't be any,
    and one that is too large is an error there."""

    def clean(self, value: Any) -> Any:
        groups: Any = self.queryset
        known = {str(key) for key in groups.values_list("pk", flat=True)}
        for key in value or ():
            if str(key) not in known:
                text = self.error_messages["invalid_choice"]
                raise ValidationError(text, params={"value": str(key)[:40]})
        return super().clean(value)


@admin.register(User)
class UserAdmin(FactorReset, OwnFilters, WrittenDown, AnyUserAdmin):
    """Accounts, for those in ``admin``; a superuser's only for superusers."""

    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Personal info"), {"fields": ("first_name", "last_name", "email")}),
        (
            _("Permissions"),
            {
                "description": _(
                    "viewer: see everything. operator: also start tasks and run them "
                    "again; cancel and pin one's own. admin: everything, also roll "
                    "back and prune, others' tasks, keys and people."
                ),
                "fields": ("is_active", "is_staff", "groups", "is_superuser"),
            },
        ),
        (_("Important dates"), {"fields": ("last_login", "date_joined")}),
    )
    list_display = (
        "username", "email", "in_groups", "is_staff", "is_active", "has_factor",
    )  # fmt: skip
    filter_horizontal = ()
    formfield_overrides = {ManyToManyField: {"widget": CheckboxSelectMultiple}}

    def formfield_for_manytomany(self, db_field: Any, request: Any, **more: Any) -> Any:
        # Django's help speaks of permissions, which nobody sees here.
        more |= {"help_text": "", "form_class": Ticked}
        return super().formfield_for_manytomany(db_field, request, **more)

    @admin.display(description=_("groups"))
    def in_groups(self, user: User) -> str:
        names = ["superuser"] if user.is_superuser else []
        return ", ".join([*names, *sorted(group.name for group in user.groups.all())])

    def get_queryset(self, request: HttpRequest) -> Any:
        people = super().get_queryset(request).prefetch_related("groups")
        return people.select_related("second_factor")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may = super().has_change_permission(request, obj)
        return may and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may = super().has_delete_permission(request, obj)
        return may and _may_touch(request, obj) and obj != request.user

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Nobody makes up when somebody signed in, nobody but a superuser makes
        superusers, and nobody else changes what he himself may do."""
        fixed = ["last_login", "date_joined"]
        if not request.user.is_superuser:
            fixed.append("is_superuser")
            if obj == request.user:
                fixed += ["is_active", "is_staff", "groups"]
        return fixed


def _may_touch(request: HttpRequest, user: Any) -> bool:
    return user is None or request.user.is_superuser or not user.is_superuser


@admin.register(Group)
class GroupAdmin(OwnFilters, WrittenDown, auth.GroupAdmin):
    """Groups; the three from which people have their rights are as they are."""

    fields = ("name",)
    filter_horizontal = ()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and not _is_given(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not _is_given(obj)


def _is_given(group: Any) -> bool:
    return group is not None and group.name in GROUPS
