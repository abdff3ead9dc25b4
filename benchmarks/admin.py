"""How long the admin's lists and the history take over a long history, as a table.

    python admin.py [TASKS [LINES]]      (100,000 and 10,000,000)

with the product's settings in the environment: a database of its own, migrated. What
is missing is filled in, and stays, so a second run measures at once. A page is asked
for as a browser does it, through Django's whole handler, in this process: five times
to warm up, then 21 times; the table has the median, the slowest and the number of
statements.
"""

import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ["DJANGO_SETTINGS_MODULE"] = "resource_sync.settings"

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402 (settings come first)
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402

from tasks.models import AuditEvent, Task  # noqa: E402

WARM_UP, TIMES = 5, 21
TASKS = "/admin/tasks/task/"
AUDIT = "/admin/tasks/auditevent/"
HISTORY = "/history"

# A year of work: 8 types, one rare; 400 versions; 40 people and programs; a failure
# in ten; each with a trail and a result as long as those of a real full-sync.
FILL_TASKS = """
INSERT INTO tasks_task (
    id, type, params, version, status, progress, step_index, step_count, step_name,
    trail, created_at, started_at, completed_at, created_by, created_from, result,
    error, last_seq, log_sha256, attempt, cancel_requested_by, cancel_forced, pinned
)
{numbers}
SELECT
    {uuid}, {kind}, '{{"version": "v' || (n / 250) || '"}}', 'v' || (n / 250), {status},
    100, 6, 6, 'Publish all platforms', {trail}, {at}, {at}, {at},
    {person}, {address}, {result}, {error}, {lines}, '', 1, '', {false}, {pinned}
FROM numbers
"""
FILL_LINES = """
INSERT INTO tasks_logline (task_id, seq, at_ms, level, message)
{numbers}
SELECT id, n, 1764153000000 + n, 'stdout',
    'verified assets/textures/ui/button_' || n || '.png (16384 bytes)'
FROM (SELECT id FROM tasks_task WHERE last_seq > 0 ORDER BY id) AS long
CROSS JOIN numbers
"""
FILL_AUDIT = """
INSERT INTO tasks_auditevent (at, actor, address, action, target, details)
SELECT created_at, created_by, created_from, 'create', {target},
    '{{"type": "check-integrity", "params": {{"version": "v885"}}}}'
FROM tasks_task ORDER BY created_at
"""
PAGES = [
    ("the list", TASKS),
    ("a page further on", f"{TASKS}?p={{place}}"),
    ("status: failed", f"{TASKS}?status__exact=failed"),
    ("status: cancelled (none)", f"{TASKS}?status__exact=cancelled"),
    ("type: a rare one (1 in 10,000)", f"{TASKS}?type=rollback"),
    ("type: one that never ran", f"{TASKS}?type=prune"),
    ("version: an old one", f"{TASKS}?version=v3"),
    ("person", f"{TASKS}?created_by=person-7"),
    ("pinned", f"{TASKS}?pinned__exact=1"),
    ("failed, of a rare type", f"{TASKS}?status__exact=failed&type=rollback"),
    ("a day", f"{TASKS}?{{day}}"),
    ("a month, failed", f"{TASKS}?{{month}}&status__exact=failed"),
    ("search: the beginning of an id", f"{TASKS}?q={{start_of_id}}"),
    ("search: a version", f"{TASKS}?q=v399"),
    ("search: a letter of all versions", f"{TASKS}?q=v"),
    ("search: a person", f"{TASKS}?q=person-7"),
    ("search: nothing", f"{TASKS}?q=no+such+thing"),
    ("a task's page, 10,000 lines", f"{TASKS}{{id}}/change/"),
    ("the audit trail", AUDIT),
    ("audit: of a task", f"{AUDIT}?q={{id}}"),
    ("audit: of a person", f"{AUDIT}?actor=person-7"),
    ("audit: search: nothing", f"{AUDIT}?q=no+such+thing"),
    ("admin's front page", "/admin/"),
    ("the history", HISTORY),
    ("history: of a type", f"{HISTORY}?type=full-sync"),
    ("history: failed, of a rare type", f"{HISTORY}?status=failed&type=rollback"),
    ("history: of a person", f"{HISTORY}?by=person-7"),
    ("history: search: the beginning of an id", f"{HISTORY}?q={{start_of_id}}"),
    ("history: search: a version", f"{HISTORY}?q=v399"),
    ("history: search: a letter of all versions", f"{HISTORY}?q=v"),
    ("history: search: words of a few errors", f"{HISTORY}?q=no+space+left"),
    ("history: search: nothing", f"{HISTORY}?q=no+such+thing"),
    ("home: recent: search: nothing", "/?recent-q=no+such+thing"),
]


def fill(tasks: int, lines: int) -> None:
    is_postgresql = connection.vendor == "postgresql"
    each = max(1, lines // max(1, tasks // 100))  # in one task of a hundred

    def numbers(count: int) -> str:
        if is_postgresql:
            return (
                f"WITH numbers AS (SELECT n FROM generate_series(1, {count}) AS s (n))"
            )
        return (
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL "
            f"SELECT n + 1 FROM numbers WHERE n < {count})"
        )

    rows = ", ".join(
        f'[{n}, {n // 20}, "Publish all platforms", {n}]' for n in range(60)
    )
    outputs = ", ".join(f'"file-{n}": "new"' for n in range(60))
    own = {
        "uuid": "gen_random_uuid()" if is_postgresql else "lower(hex(randomblob(16)))",
        "at": "now() - n * interval '5 minutes'"
        if is_postgresql
        else "strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || (n * 5) || ' minutes') "
        "|| '001'",
        "false": "false" if is_postgresql else "0",
        "pinned": "n % 5000 = 0",
        "kind": "CASE WHEN n % 10000 = 0 THEN 'rollback' ELSE (CASE n % 5 "
        "WHEN 0 THEN 'check-integrity' WHEN 1 THEN 'sync-facebook' "
        "WHEN 2 THEN 'sync-native' WHEN 3 THEN 'update-reuse' "
        "ELSE 'full-sync' END) END",
        "status": "CASE WHEN n % 10 = 3 THEN 'failed' ELSE 'completed' END",
        "error": "CASE WHEN n % 1000 = 103 THEN 'Step 4 failed: no space left' "
        "WHEN n % 10 = 3 THEN 'Step 6 (Publish all platforms) failed with exit code 1' "
        "END",
        "person": "'person-' || (n % 40)",
        "address": "'10.0.0.7'::inet" if is_postgresql else "'10.0.0.7'",
        "trail": f"'[{rows}]'",
        "result": f"""'{{"success": true, "results": [], "outputs": {{{outputs}}}}}'""",
        "lines": f"CASE WHEN n % 100 = 0 THEN {each} ELSE 0 END",
    }
    if is_postgresql:
        own["trail"] += "::jsonb"
        own["result"] += "::jsonb"
    with connection.cursor() as cursor:
        if not Task.objects.exists():
            say(f"{tasks:,} tasks")
            text = FILL_TASKS.format(numbers=numbers(tasks), **own)
            if is_postgresql:
                text = text.replace(
                    """'{"version": "v' || (n / 250) || '"}'""",
                    """('{"version": "v' || (n / 250) || '"}')::jsonb""",
                )
            cursor.execute(text)
            say(f"{lines:,} lines")
            cursor.execute(FILL_LINES.format(numbers=numbers(each)))
        if not AuditEvent.objects.exists():
            say("audit events")
            target = "id::text" if is_postgresql else hyphened("id")
            text = FILL_AUDIT.format(target=target)
            if is_postgresql:
                text = text.replace("}}'", "}}'::jsonb")
            cursor.execute(text)
        if is_postgresql:
            say("VACUUM ANALYZE")
            cursor.execute("VACUUM ANALYZE")


def hyphened(name: str) -> str:
    parts = [(1, 8), (9, 4), (13, 4), (17, 4), (21, 12)]
    return " || '-' || ".join(f"substr({name}, {at}, {n})" for at, n in parts)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def places() -> dict[str, str]:
    """What the pages' addresses need to name of this database."""
    middle = Task.objects.newest_first()[Task.objects.count() // 2]
    long = Task.objects.filter(last_seq__gt=0).newest_first()[3]
    day = {"year": middle.created_at.year, "month": middle.created_at.month}
    month = "&".join(f"created_at__{name}={number}" for name, number in day.items())
    return {
        "place": f"older_{middle.pk}_{middle.created_at.isoformat()}".replace(
            "+", "%2B"
        ),
        "id": str(long.pk),
        "start_of_id": str(middle.pk)[:6],
        "day": f"{month}&created_at__day={middle.created_at.day}",
        "month": month,
    }


def main() -> None:
    numbers = [int(text.replace(",", "")) for text in sys.argv[1:]]
    fill(*[*numbers, *(100_000, 10_000_000)[len(numbers) :]])
    user, _ = User.objects.get_or_create(
        username="benchmark", defaults={"is_staff": True, "is_superuser": True}
    )
    client = Client()
    client.force_login(user)
    named = places()
    print(f"| {connection.vendor} | median ms | slowest ms | statements |")
    print("| --- | ---: | ---: | ---: |")
    for name, path in PAGES:
        url = path.format(**named)
        took = []
        for number in range(WARM_UP + TIMES):
            started = time.perf_counter()
            answer = client.get(url, HTTP_HOST="localhost")
            if number >= WARM_UP:
                took.append((time.perf_counter() - started) * 1000)
            assert answer.status_code == 200, (url, answer.status_code)
        with CaptureQueriesContext(connection) as queries:
            client.get(url, HTTP_HOST="localhost")
        median, slowest = statistics.median(took), max(took)
        print(f"| {name} | {median:.0f} | {slowest:.0f} | {len(queries)} |", flush=True)


if __name__ == "__main__":
    main()
