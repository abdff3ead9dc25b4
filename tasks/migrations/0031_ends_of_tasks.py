"""The database itself counts which tasks end: see tasks.models.task_end.

On SQLite a later migration that makes tasks_task anew loses the trigger: make it again
there by COUNT (a test will say so). PostgreSQL may have the function already: a backup
of before, put in the place of a newer database, takes tables away and no functions.
"""

from django.db import migrations, models

ENDED = "('completed', 'failed', 'cancelled')"
# A statement that does not write the status does not even ask.
HAS_ENDED = f"NEW.status IN {ENDED} AND OLD.status NOT IN {ENDED}"
COUNT = {
    "sqlite": [
        f"""
        CREATE TRIGGER task_has_ended AFTER UPDATE OF status ON tasks_task
        WHEN {HAS_ENDED}
        BEGIN
            INSERT INTO tasks_taskend (type, status, wait_ms, run_ms) VALUES (
                NEW.type,
                NEW.status,
                CAST(round(86400000 * (
                    julianday(NEW.started_at) - julianday(NEW.created_at)
                )) AS INTEGER),
                CAST(round(86400000 * (
                    julianday(NEW.completed_at) - julianday(NEW.started_at)
                )) AS INTEGER) - NEW.approval_ms
            );
        END
        """
    ],
    "postgresql": [
        """
        CREATE OR REPLACE FUNCTION count_end_of_task() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO tasks_taskend (type, status, wait_ms, run_ms) VALUES (
                NEW.type,
                NEW.status,
                1000 * extract(epoch FROM NEW.started_at - NEW.created_at),
                1000 * extract(epoch FROM NEW.completed_at - NEW.started_at)
                    - NEW.approval_ms
            );
            RETURN NULL;
        END $$
        """,
        f"""
        CREATE TRIGGER task_has_ended AFTER UPDATE OF status ON tasks_task
        FOR EACH ROW WHEN ({HAS_ENDED}) EXECUTE FUNCTION count_end_of_task()
        """,
    ],
}
COUNT_NO_MORE = {
    "sqlite": ["DROP TRIGGER IF EXISTS task_has_ended"],
    "postgresql": [
        "DROP TRIGGER IF EXISTS task_has_ended ON tasks_task",
        "DROP FUNCTION IF EXISTS count_end_of_task()",
    ],
}


def count(apps, schema_editor):
    for statement in COUNT[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def count_no_more(apps, schema_editor):
    for statement in COUNT_NO_MORE[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0030_retention_by_size_and_age'),
    ]

    operations = [
        migrations.CreateModel(
            name='TaskEnd',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('type', models.CharField(max_length=100)),
                ('status', models.CharField(max_length=9)),
                ('wait_ms', models.BigIntegerField(null=True)),
                ('run_ms', models.BigIntegerField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='TaskTotal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('measure', models.CharField(max_length=4)),
                ('type', models.CharField(max_length=100)),
                ('status', models.CharField(max_length=9)),
                ('le_ms', models.BigIntegerField()),
                ('count', models.BigIntegerField()),
                ('sum_ms', models.BigIntegerField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('measure', 'type', 'status', 'le_ms'), name='task_total_once')],
            },
        ),
        migrations.RunPython(count, count_no_more),
    ]
