"""Tasks wait for approvals, and keys know who made them."""

from importlib import import_module

import django.db.models.deletion
import django.utils.timezone
import uuid
from django.db import migrations, models

# Changing what SQLite checks has it make the table anew.
accepted_with = import_module("tasks.migrations.0014_what_tasks_were_accepted_with")


def note_who_made_keys(apps, schema_editor):
    """Of keys from before, the audit trail knows."""
    keys = apps.get_model("tasks", "ApiKey").objects
    made = apps.get_model("tasks", "AuditEvent").objects.filter(action="key.create")
    makers = dict(made.order_by("id").values_list("target", "actor"))
    for key in keys.only("name", "prefix"):
        if maker := makers.get(f"{key.name} ({key.prefix}…)"):
            keys.filter(pk=key.pk).update(made_by=maker)


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0025_hand_over_links'),
    ]

    operations = [
        migrations.CreateModel(
            name='Approval',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('step_index', models.PositiveSmallIntegerField()),
                ('step_name', models.CharField(max_length=200)),
                ('message', models.TextField(blank=True, default='')),
                ('by', models.JSONField()),
                ('not_self', models.BooleanField()),
                ('asked_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('sha256', models.CharField(max_length=64)),
                ('decision', models.CharField(blank=True, choices=[('approved', 'approved'), ('rejected', 'rejected'), ('timed-out', 'timed out'), ('cancelled', 'cancelled')], default='', max_length=9)),
                ('decided_at', models.DateTimeField(blank=True, null=True)),
                ('decided_by', models.CharField(blank=True, default='', max_length=200)),
                ('comment', models.CharField(blank=True, default='', max_length=1000)),
            ],
            options={
                'verbose_name': 'approval',
                'verbose_name_plural': 'approvals',
                'ordering': ['asked_at', 'id'],
            },
        ),
        migrations.AddField(
            model_name='apikey',
            name='made_by',
            field=models.CharField(blank=True, db_default='', max_length=200),
        ),
        migrations.RunPython(note_who_made_keys, migrations.RunPython.noop),
        accepted_with.KEEP,
        migrations.RemoveConstraint(
            model_name='task',
            name='task_ended_has_completed_at',
        ),
        migrations.RemoveConstraint(
            model_name='task',
            name='task_one_running_per_lock',
        ),
        migrations.RemoveConstraint(
            model_name='task',
            name='task_ended_has_no_secret_values',
        ),
        migrations.AddField(
            model_name='task',
            name='approval_ms',
            field=models.PositiveBigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='task',
            name='approvals_asked',
            field=models.PositiveSmallIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='task',
            name='keeps_lock',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AlterField(
            model_name='task',
            name='status',
            field=models.CharField(choices=[('pending', 'queued'), ('running', 'running'), ('blocked', 'awaiting approval'), ('completed', 'completed'), ('failed', 'failed'), ('cancelled', 'cancelled')], default='pending', max_length=9, verbose_name='status'),
        ),
        migrations.AddIndex(
            model_name='task',
            index=models.Index(models.F('number'), models.F('id'), condition=models.Q(('status', 'blocked')), name='task_blocked_number'),
        ),
        migrations.AddIndex(
            model_name='task',
            index=models.Index(models.F('lock'), condition=models.Q(('keeps_lock', True)), name='task_keeps_lock'),
        ),
        migrations.AddConstraint(
            model_name='task',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('completed_at__isnull', False), ('status__in', ['completed', 'failed', 'cancelled'])), models.Q(('completed_at', None), ('status__in', ['pending', 'running', 'blocked'])), _connector='OR'), name='task_ended_has_completed_at'),
        ),
        migrations.AddConstraint(
            model_name='task',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['pending', 'running', 'blocked']), ('secret_values', None), _connector='OR'), name='task_ended_has_no_secret_values'),
        ),
        migrations.AddConstraint(
            model_name='task',
            constraint=models.UniqueConstraint(condition=models.Q(models.Q(('status', 'running'), ('keeps_lock', True), _connector='OR'), ('lock__isnull', False)), fields=('lock',), name='task_one_holder_per_lock'),
        ),
        accepted_with.LEAVE,
        migrations.AddField(
            model_name='approval',
            name='task',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='approvals', to='tasks.task'),
        ),
        migrations.AddIndex(
            model_name='approval',
            index=models.Index(models.F('expires_at'), condition=models.Q(('decision', ''), ('expires_at__isnull', False)), name='approval_overdue'),
        ),
        migrations.AddConstraint(
            model_name='approval',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('decided_at', None), ('decision', '')), models.Q(models.Q(('decision', ''), _negated=True), ('decided_at__isnull', False)), _connector='OR'), name='approval_decided_has_time'),
        ),
        migrations.AddConstraint(
            model_name='approval',
            constraint=models.UniqueConstraint(condition=models.Q(('decision', '')), fields=('task',), name='approval_one_undecided'),
        ),
    ]
