"""What the database itself holds of tasks: the rules that no program breaks, and the
indexes, each for a question that is asked often."""

from django.db import models

LIVE = ["pending", "running", "blocked"]

CONSTRAINTS: list[models.BaseConstraint] = [
    models.CheckConstraint(
        name="task_ended_has_completed_at",
        condition=models.Q(
            status__in=["completed", "failed", "cancelled"],
            completed_at__isnull=False,
        )
        | models.Q(status__in=LIVE, completed_at=None),
    ),
    # Secrets are forgotten, however it ended.
    models.CheckConstraint(
        name="task_ended_has_no_secret_values",
        condition=models.Q(status__in=LIVE) | models.Q(secret_values=None),
    ),
    # Two runners that claim two tasks of one lock: the second loses.
    models.UniqueConstraint(
        fields=["lock"],
        name="task_one_holder_per_lock",
        condition=(models.Q(status="running") | models.Q(keeps_lock=True))
        & models.Q(lock__isnull=False),
    ),
    # ... and two runners that claim the last place of one type.
    models.UniqueConstraint(
        fields=["type", "slot"],
        name="task_one_running_per_slot",
        condition=models.Q(status="running", slot__isnull=False),
    ),
]

INDEXES = [
    # the list, newest first
    # (The type rides along, so that those of one are found without a look at
    # the others' rows. An index that began with it would tempt SQLite away
    # from the small ones below, in a claim.)
    models.Index("number", "id", "type", name="task_by_number_type"),
    # what came in some time: statistics, filters by day
    models.Index("created_at", "id", "type", name="task_by_creation_type"),
    # … of one version or person, of a bad end, what is awaited, and what is pinned
    # (Most tasks completed, so the list has the next soon. An index of those
    # would tempt SQLite away from the one with the types.)
    models.Index("version", "number", "id", name="task_by_version_number"),
    models.Index("created_by", "number", "id", name="task_by_person_number"),
    *(
        models.Index(
            "number",
            "id",
            name=f"task_{status}_number",
            condition=models.Q(status=status),
        )
        for status in ("failed", "cancelled", "blocked")
    ),
    models.Index(
        "number",
        "id",
        name="task_pinned_number",
        condition=models.Q(pinned=True),
    ),
    # claim and queue counts: few rows, however long the history. One index a
    # status, because SQLite does not see that "=" implies "IN".
    models.Index(
        "number",
        "id",
        name="task_pending_number",
        condition=models.Q(status="pending"),
    ),
    # the reaper, held locks, counts
    models.Index(
        "lock",
        name="task_running",
        condition=models.Q(status="running"),
    ),
    # locks that are held by what does not run: for each claim, and few
    models.Index(
        "lock",
        name="task_keeps_lock",
        condition=models.Q(keeps_lock=True),
    ),
    # retention: by number and size (of some types, so these ride along), and by age
    models.Index(
        "ended",
        "id",
        "type",
        "log_bytes",
        name="task_by_end_type",
        condition=models.Q(completed_at__isnull=False, pinned=False),
    ),
    models.Index(
        "completed_at",
        "id",
        "type",
        "log_bytes",  # a sum of all goes by either index
        name="task_by_completion_type",
        condition=models.Q(completed_at__isnull=False, pinned=False),
    ),
]
