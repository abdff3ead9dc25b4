from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0031_ends_of_tasks'),
    ]

    operations = [
        migrations.AddField(
            model_name='runner',
            name='labels',
            field=models.JSONField(blank=True, editable=False, null=True, verbose_name='labels'),
        ),
    ]
