"""Finished tasks have the size of their log, where it was measured, and indexes by
which those are found that are too many, too old or too large."""

from django.db import migrations, models

KEPT_OR_NOT = models.Q(('completed_at__isnull', False), ('pinned', False))


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0029_logs_are_packed'),
    ]

    operations = [
        # Without a default, so that SQLite adds it in place.
        migrations.AddField(
            model_name='task',
            name='log_bytes',
            field=models.PositiveBigIntegerField(editable=False, null=True),
        ),
        migrations.RemoveIndex(
            model_name='task',
            name='task_by_end',
        ),
        migrations.AddIndex(
            model_name='task',
            index=models.Index(models.F('ended'), models.F('id'), models.F('type'), models.F('log_bytes'), condition=KEPT_OR_NOT, name='task_by_end_type'),
        ),
        migrations.AddIndex(
            model_name='task',
            index=models.Index(models.F('completed_at'), models.F('id'), models.F('type'), models.F('log_bytes'), condition=KEPT_OR_NOT, name='task_by_completion_type'),
        ),
    ]
