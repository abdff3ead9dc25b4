"""The database itself refuses to change or delete what is in the audit trail.

On SQLite a later migration that alters tasks_auditevent makes the table anew, and
loses its triggers: make them again there by GUARD (a test will say so).
"""

from django.db import migrations

SAYING = "The audit trail is neither changed nor deleted."

GUARD = {
    "sqlite": [
        f"""
        CREATE TRIGGER audit_{verb.lower()} BEFORE {verb} ON tasks_auditevent {when}
        BEGIN SELECT RAISE(ABORT, '{SAYING}'); END
        """
        for verb, when in (
            ("UPDATE", ""),
            ("DELETE", ""),
            # INSERT OR REPLACE deletes without a DELETE.
            (
                "INSERT",
                "WHEN EXISTS (SELECT 1 FROM tasks_auditevent WHERE id = NEW.id)",
            ),
        )
    ],
    "postgresql": [
        f"""
        CREATE OR REPLACE FUNCTION audit_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '{SAYING}' USING ERRCODE = 'restrict_violation';
        END $$
        """,
        """
        CREATE TRIGGER audit_change BEFORE UPDATE OR DELETE ON tasks_auditevent
        FOR EACH ROW EXECUTE FUNCTION audit_is_final()
        """,
        """
        CREATE TRIGGER audit_truncate BEFORE TRUNCATE ON tasks_auditevent
        FOR EACH STATEMENT EXECUTE FUNCTION audit_is_final()
        """,
    ],
}
LIFT = {
    "sqlite": [
        f"DROP TRIGGER IF EXISTS audit_{verb}" for verb in ("update", "delete", "insert")
    ],
    "postgresql": [
        "DROP TRIGGER IF EXISTS audit_change ON tasks_auditevent",
        "DROP TRIGGER IF EXISTS audit_truncate ON tasks_auditevent",
        "DROP FUNCTION IF EXISTS audit_is_final()",
    ],
}


def guard(apps, schema_editor):
    for statement in GUARD[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def lift(apps, schema_editor):
    for statement in LIFT[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0006_lists_by_one_thing'),
    ]

    operations = [
        migrations.RunPython(guard, lift),
    ]
