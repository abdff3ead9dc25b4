from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0030_retention_by_size_and_age'),
    ]

    operations = [
        migrations.AddField(
            model_name='runner',
            name='labels',
            field=models.JSONField(blank=True, editable=False, null=True, verbose_name='labels'),
        ),
    ]
