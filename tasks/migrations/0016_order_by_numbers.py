"""Tasks have a number that no clock decides, and one by which they ended. Existing ones
are numbered by their times."""

from importlib import import_module

from django.db import migrations, models

import tasks.models.sequences

# Adding a column with a default has SQLite make the table anew, too.
accepted_with = import_module("tasks.migrations.0014_what_tasks_were_accepted_with")

NUMBER = """
    UPDATE tasks_task SET {column} = ranked.place FROM (
        SELECT id, row_number() OVER (ORDER BY {time}, id) AS place
        FROM tasks_task WHERE {time} IS NOT NULL
    ) AS ranked WHERE tasks_task.id = ranked.id
"""
SEQUENCE = """
    CREATE SEQUENCE tasks_task_{column}_seq OWNED BY tasks_task.{column};
    SELECT setval('tasks_task_{column}_seq',
        (SELECT coalesce(max({column}), 0) + 1 FROM tasks_task), false);
"""
DEFAULT = """
    ALTER TABLE tasks_task
    ALTER COLUMN number SET DEFAULT nextval('tasks_task_number_seq')
"""


def number_tasks(apps, schema_editor):
    is_postgresql = schema_editor.connection.vendor == "postgresql"
    with schema_editor.connection.cursor() as cursor:
        if is_postgresql:
            # A row that is updated twice in a transaction has its foreign keys checked
            # at the end, and until then PostgreSQL alters no table.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for column, time in (("number", "created_at"), ("ended", "completed_at")):
            cursor.execute(NUMBER.format(column=column, time=time))
            if is_postgresql:
                cursor.execute(SEQUENCE.format(column=column))
        if is_postgresql:
            cursor.execute(DEFAULT)


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0015_several_scopes_of_a_key'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='task',
            options={'ordering': ['-number', '-id'], 'verbose_name': 'task', 'verbose_name_plural': 'tasks'},
        ),
        migrations.RemoveIndex(
            model_name='task',
            name='task_pending',
        ),
        migrations.RemoveIndex(
            model_name='task',
            name='task_by_completion',
        ),
        migrations.RemoveIndex(
            model_name='task',
            name='task_failed',
        ),
        migrations.RemoveIndex(
            model_name='task',
            name='task_cancelled',
        ),
        migrations.RemoveIndex(
            model_name='task',
            name='task_by_version',
        ),
        migrations.RemoveIndex(
            model_name='task',
            name='task_by_person',
        ),
        migrations.RemoveIndex(
            model_name='task',
            name='task_pinned',
        ),
        accepted_with.KEEP,
        migrations.AddField(
            model_name='task',
            name='ended',
            field=models.BigIntegerField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='task',
            name='number',
            field=tasks.models.sequences.NumberField(db_default=0, editable=False),
        ),
        accepted_with.LEAVE,
        # Going back takes the sequences away with the columns.
        migrations.RunPython(number_tasks, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name='task',
            index=models.Index(models.F('number'), models.F('id'), models.F('type'), name='task_by_number_type'),
        ),
        migrations.AddIndex(
            model_name='task',
            index=models.Index(models.F('version'), models.F('number'), models.F('id'), name='task_by_version_number'),
        ),
        migrations.AddIndex(
            model_name='task',
            index=models.Index(models.F('created_by'), models.F('number'), models.F('id'), name='task_by_person_number'),
        ),
        migrations.AddIndex(
            model_name='task',
            index=models.Index(models.F('number'), models.F('id'), condition=models.Q(('status', 'failed')), name='task_failed_number'),
        ),
        migrations.AddIndex(
            model_name='task',
            index=models.Index(models.F('number'), models.F('id'), condition=models.Q(('status', 'cancelled')), name='task_cancelled_number'),
        ),
        migrations.AddIndex(
            model_name='task',
            index=models.Index(models.F('number'), models.F('id'), condition=models.Q(('pinned', True)), name='task_pinned_number'),
        ),
        migrations.AddIndex(
            model_name='task',
            index=models.Index(models.F('number'), models.F('id'), condition=models.Q(('status', 'pending')), name='task_pending_number'),
        ),
        migrations.AddIndex(
            model_name='task',
            index=models.Index(models.F('ended'), models.F('id'), condition=models.Q(('completed_at__isnull', False), ('pinned', False)), name='task_by_end'),
        ),
    ]
