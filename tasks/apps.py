from django.apps import AppConfig
from django.contrib.admin import apps as admin
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class TasksConfig(AppConfig):
    name = "tasks"
    verbose_name = _("Tasks")
    default = True

    def ready(self) -> None:
        # They register checks and receivers.
        from tasks import checks  # noqa: F401
        from tasks.access import sign_in_audit  # noqa: F401
        from tasks.access.rights import ensure_groups

        post_migrate.connect(ensure_groups, sender=self)


class AdminConfig(admin.SimpleAdminConfig):
    """Django's admin, with our site. The site is no part of tasks.admin, which
    registers its models with it, where URLs are resolved: a runner needs neither."""

    default = False
    default_site = "tasks.access.admin_site.AdminSite"
