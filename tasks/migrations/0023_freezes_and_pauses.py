"""Freezes and pauses of the queue, and reruns that start at a later step."""

from importlib import import_module

import django.db.models.functions.datetime
import uuid

from django.db import migrations, models


# Adding a column with a default has SQLite make the table anew.
accepted_with = import_module("tasks.migrations.0014_what_tasks_were_accepted_with")


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0022_identities'),
    ]

    operations = [
        migrations.CreateModel(
            name='QueuePause',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('type', models.CharField(blank=True, max_length=100, unique=True, verbose_name='type')),
                ('reason', models.CharField(blank=True, default='', max_length=500, verbose_name='reason')),
                ('paused_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('paused_by', models.CharField(max_length=200)),
            ],
            options={
                'verbose_name': 'pause of the queue',
                'verbose_name_plural': 'pauses of the queue',
                'ordering': ['type'],
            },
        ),
        accepted_with.KEEP,
        migrations.AddField(
            model_name='task',
            name='from_step',
            field=models.PositiveSmallIntegerField(db_default=1, default=1),
        ),
        migrations.AddField(
            model_name='task',
            name='taken_over',
            field=models.JSONField(blank=True, editable=False, null=True),
        ),
        accepted_with.LEAVE,
        migrations.CreateModel(
            name='Freeze',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('types', models.JSONField(verbose_name='types')),
                ('begins_at', models.DateTimeField(verbose_name='from')),
                ('ends_at', models.DateTimeField(db_index=True, verbose_name='until')),
                ('reason', models.CharField(max_length=500, verbose_name='reason')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('created_by', models.CharField(max_length=200)),
            ],
            options={
                'verbose_name': 'freeze',
                'verbose_name_plural': 'freezes',
                'ordering': ['begins_at', 'id'],
                'constraints': [models.CheckConstraint(condition=models.Q(('ends_at__gt', models.F('begins_at'))), name='freeze_ends_after_it_begins')],
            },
        ),
    ]
