from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0028_second_factors'),
    ]

    operations = [
        migrations.AddField(
            model_name='runner',
            name='labels',
            field=models.JSONField(blank=True, editable=False, null=True, verbose_name='labels'),
        ),
    ]
