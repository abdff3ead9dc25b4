"""Groups of people: ``viewer``, ``operator``, ``admin``, and who is in them at first.

Until now whoever was staff could start everything. Staff become operators, and a
superuser puts into ``admin`` whoever has to have more. A group that somebody had made
under one of these names is called otherwise from now on: nobody gets rights by the
name of a group that once meant something else.
"""

from django.conf import settings
from django.db import migrations
from django.db.models import Value
from django.db.models.functions import Concat

NAMES = ("viewer", "operator", "admin")


def make_groups(apps, schema_editor):
    groups = apps.get_model("auth", "Group").objects.using(schema_editor.connection.alias)
    groups.filter(name__in=NAMES).update(name=Concat("name", Value(" (old)")))
    for name in NAMES:
        groups.create(name=name)
    app, model = settings.AUTH_USER_MODEL.split(".")
    users = apps.get_model(app, model).objects.using(schema_editor.connection.alias)
    staff = users.filter(is_staff=True, is_superuser=False)
    groups.get(name="operator").user_set.add(*staff)


class Migration(migrations.Migration):

    dependencies = [
        ("tasks", "0011_idempotency_keys_of_their_own"),
        ("auth", "0012_alter_user_first_name_max_length"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(make_groups, migrations.RunPython.noop),
    ]
