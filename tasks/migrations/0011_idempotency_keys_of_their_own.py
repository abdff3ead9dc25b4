"""Idempotency keys outlive their tasks, in a table of their own.

Of the tasks the column goes from the models only: the old code, which still writes it,
must run on the new tables. It is NULL from now on, and goes with a later release.
"""

import json
from datetime import timedelta

import django.utils.timezone
from django.db import migrations, models
from django.utils.crypto import salted_hmac

LIFETIME = timedelta(hours=24)


def fingerprint_of(task):
    rerun_of = task.rerun_of_id and str(task.rerun_of_id)
    text = json.dumps([task.type, task.params, rerun_of], sort_keys=True)
    return salted_hmac("tasks.idempotency", text, algorithm="sha256").hexdigest()


def take_over(apps, schema_editor):
    """The keys that tasks came with and that are still good."""
    since = django.utils.timezone.now() - LIFETIME
    tasks = apps.get_model("tasks", "Task").objects.filter(
        idempotency_key__isnull=False, created_at__gt=since
    )
    IdempotencyKey = apps.get_model("tasks", "IdempotencyKey")
    columns = ("type", "params", "rerun_of", "created_by", "created_at", "idempotency_key")
    IdempotencyKey.objects.bulk_create(
        (
            IdempotencyKey(
                actor=task.created_by,
                key=task.idempotency_key,
                fingerprint=fingerprint_of(task),
                task_id=task.pk,
                created_at=task.created_at,
            )
            for task in tasks.only(*columns).order_by()
        ),
        batch_size=500,
    )


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0008_no_index_of_what_completed'),
    ]

    operations = [
        migrations.CreateModel(
            name='IdempotencyKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('actor', models.CharField(max_length=200)),
                ('key', models.CharField(max_length=255)),
                ('fingerprint', models.CharField(max_length=64)),
                ('task_id', models.UUIDField()),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'indexes': [models.Index(models.F('created_at'), name='idempotency_by_time')],
                'constraints': [models.UniqueConstraint(fields=('actor', 'key'), name='idempotency_one_per_actor_and_key')],
            },
        ),
        migrations.RunPython(take_over, migrations.RunPython.noop),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveConstraint(model_name='task', name='task_one_per_idempotency_key'),
                migrations.RemoveField(model_name='task', name='idempotency_key'),
            ],
        ),
    ]
