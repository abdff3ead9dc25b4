"""Django's permissions, answered by the rights of a person's groups."""

from typing import TYPE_CHECKING, Any

from django.contrib.auth.backends import ModelBackend

from tasks.access.rights import permissions_of, rights_of

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser
    from django.db.models import Model


class RightsBackend(ModelBackend):
    """Django's own for names and passwords; permissions are those of the rights."""

    def get_all_permissions(
        self,
        user_obj: "AbstractBaseUser | AnonymousUser",
        obj: "Model | None" = None,
    ) -> set[str]:
        return set() if obj is not None else permissions_of(rights_of(user_obj))

    def get_group_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        return self.get_all_permissions(user_obj, obj)

    def get_user_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """A permission that somebody was given alone counts for nothing."""
        return set()
