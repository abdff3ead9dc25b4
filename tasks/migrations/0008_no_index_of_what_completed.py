from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0007_audit_trail_is_final'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='task',
            name='task_completed',
        ),
    ]
