from django.db import migrations, models


class Migration(migrations.Migration):
    """No statement: the column takes any word of seven letters."""

    dependencies = [
        ("tasks", "0016_order_by_numbers"),
    ]

    operations = [
        migrations.AlterField(
            model_name="logline",
            name="level",
            field=models.CharField(
                choices=[
                    ("info", "Info"),
                    ("stdout", "Stdout"),
                    ("stderr", "Stderr"),
                    ("success", "Success"),
                    ("warning", "Warning"),
                    ("error", "Error"),
                ],
                max_length=7,
            ),
        ),
    ]
