"""Tasks have the definition with which they were accepted, and no secret in clear.

Which values are secret is known of the types in today's file: those of tasks that have
ended are forgotten, those of others encrypted. Of a type that is not in the file any
more nobody knows; its values are masked when they are shown, as before.
"""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

from tasks.catalog.loader import CatalogError, catalog
from tasks.secrets.masking import MASK
from tasks.secrets.encryption import sealed

ENDED = ("completed", "failed", "cancelled")


def overwrite(apps, schema_editor):
    """Have SQLite leave nothing of what it deletes in its file, where it was not built
    to do that anyway. https://www.sqlite.org/pragma.html#pragma_secure_delete"""
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute("PRAGMA secure_delete = ON")


def hide_secrets(apps, schema_editor):
    try:
        types = {n: k for n, k in catalog().items() if any(p.secret for p in k.params)}
    except CatalogError:  # the start says so, and nobody can tell what is secret
        return
    tasks = apps.get_model("tasks", "Task").objects.filter(type__in=types).order_by()
    for task in tasks.only("type", "params", "status", "lock", "version").iterator():
        kind = types[task.type]
        if secrets := kind.secrets(task.params):
            tasks.filter(pk=task.pk).update(**hidden(task, kind, secrets))


def hidden(task, kind, secrets):
    fields = {"params": kind.without_secrets(task.params)}
    if "version" in secrets:
        fields["version"] = MASK
    if task.status in ENDED:
        return fields | {"lock": None}
    if task.lock is not None and any(value in task.lock for value in secrets.values()):
        fields["lock"] = kind.lock_for(task.params)
    return fields | {"secret_values": sealed(task.pk, secrets)}


# A column that the models have no more, but that the release before still writes. To
# add a constraint SQLite makes the table anew, of what the models are said to have.
IDEMPOTENCY_KEY = models.CharField(max_length=255, null=True)
ONE_PER_KEY = models.UniqueConstraint(
    fields=['created_by', 'idempotency_key'],
    name='task_one_per_idempotency_key',
    condition=models.Q(('idempotency_key__isnull', False)),
)
KEEP = migrations.SeparateDatabaseAndState(
    state_operations=[
        migrations.AddField('task', 'idempotency_key', IDEMPOTENCY_KEY),
        migrations.AddConstraint('task', ONE_PER_KEY),
    ],
)
LEAVE = migrations.SeparateDatabaseAndState(
    state_operations=[
        migrations.RemoveConstraint('task', 'task_one_per_idempotency_key'),
        migrations.RemoveField('task', 'idempotency_key'),
    ],
)


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0013_alive_is_asked'),
    ]

    operations = [
        migrations.CreateModel(
            name='TaskDefinition',
            fields=[
                ('sha256', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('content', models.JSONField()),
                ('used_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.AddField(
            model_name='runner',
            name='known_types',
            field=models.JSONField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='task',
            name='secret_values',
            field=models.TextField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='task',
            name='types_changed_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='task',
            name='definition',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='tasks', to='tasks.taskdefinition'),
        ),
        migrations.RunPython(overwrite, migrations.RunPython.noop),
        migrations.RunPython(hide_secrets, migrations.RunPython.noop),
        KEEP,
        migrations.AddConstraint(
            model_name='task',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['pending', 'running']), ('secret_values', None), _connector='OR'), name='task_ended_has_no_secret_values'),
        ),
        LEAVE,
    ]
