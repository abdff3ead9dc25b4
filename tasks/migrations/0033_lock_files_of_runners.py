from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0032_labels_of_runners'),
    ]

    operations = [
        migrations.AddField(
            model_name='runner',
            name='lock_file',
            field=models.CharField(blank=True, db_default='', max_length=50),
        ),
    ]
