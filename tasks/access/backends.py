"""Django's permissions, answered by the rights of a person's groups."""

from typing import TYPE_CHECKING, Any

from django.contrib.auth.backends import ModelBackend

from tasks.access.rights import permissions_of, rights_of
from tasks.access.second_factor import is_lacking

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser
    from django.db.models import Model


class RightsBackend(ModelBackend):
    """Django's own for names and passwords; permissions are those of the rights.

    A session that a password opened is nobody's while its owner has to have a second
    factor and has none: at every door, because all of them ask here who somebody is.
    """

    def get_user(self, user_id: int) -> Any:
        user = super().get_user(user_id)
        return None if user is None or is_lacking(user) else user

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


class ProviderBackend(RightsBackend):
    """Of sessions that the OpenID provider opened: a second factor is its business."""

    def authenticate(self, request: Any, **_credentials: Any) -> None:  # type: ignore[override]
        """Nobody comes from there with a password."""

    def get_user(self, user_id: int) -> Any:
        return ModelBackend.get_user(self, user_id)
