"""Django's own admin: look at everything, change only what may be changed.

Rerun, cancel, revoke: each goes through the same door as the API's.
"""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from tasks.admin import (  # noqa: F401 (they register their models)
    audit,
    keys,
    runners,
    schedules,
    tasks,
    users,
    webhooks,
)

admin.site.site_header = _("Resource Sync")
admin.site.site_title = _("Resource Sync")
admin.site.index_title = _("Administration")
