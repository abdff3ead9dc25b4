"""Takes a task from the queue, so that no other runner does.

It is between every POST and its first line, so its statements are made once a process:
making them anew by the ORM takes many times as long as running them.
"""

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from django.db import IntegrityError, connection, transaction

from tasks.catalog.definitions import type_of
from tasks.catalog.loader import catalog
from tasks.logs.table import key
from tasks.models import (
    EVENTS,
    SOMEBODY_LISTENS,
    Event,
    QueuePause,
    Runner,
    Task,
    TaskDefinition,
    WebhookEvent,
)
from tasks.notifications import CHANNELS, announce
from tasks.queue.order import newest_first
from tasks.runner.trail import first_change

Statement = tuple[str, tuple[Any, ...]]  # and its values

TASKS = Task._meta.db_table
LOADED = (
    *("id", "type", "params", "attempt", "last_seq", "progress", "trail"),
    *("definition_id", "types_changed_at", "secret_values"),
    *("from_step", "taken_over"),
)
PAUSES = QueuePause._meta.db_table
DEFINITIONS = TaskDefinition._meta.db_table
# One way to the server and back, and one task locked: runners that look at the same
# time pass over what another one is about to take. {queue}: see _queue.
CLAIM_AT_ONCE = f"""
    WITH next AS MATERIALIZED (
        {{queue}} FOR UPDATE SKIP LOCKED
    ), standing AS (
        SELECT
            id,
            CASE
                WHEN definition_id IS NULL THEN coalesce(%s::jsonb -> type, %s::jsonb)
                ELSE jsonb_set(
                    jsonb_set(%s::jsonb, '{{{{1}}}}', to_jsonb(from_step)),
                    '{{{{2}}}}',
                    content -> 'steps' -> (from_step - 1) -> 'name'
                )
            END AS first,
            (%s::jsonb ->> type)::int AS place
        FROM next LEFT JOIN {DEFINITIONS} AS definition ON sha256 = definition_id
    ), moved AS (
        UPDATE {TASKS} AS task SET
            status = 'running', runner_id = %s, keeps_lock = false,
            started_at = coalesce(task.started_at, statement_timestamp()),
            slot = place, step_index = (first ->> 1)::int, step_name = first ->> 2,
            trail = trail || jsonb_build_array(jsonb_set(
                jsonb_set(first, '{{{{0}}}}', to_jsonb(last_seq)),
                '{{{{3}}}}', to_jsonb(progress)
            ))
        FROM standing WHERE task.id = standing.id AND task.status = 'pending'
        RETURNING {", ".join(f"task.{name}" for name in LOADED)}
    ), told AS (
        INSERT INTO {EVENTS} (event, subject_id, type)
        SELECT '{Event.TASK_STARTED}', id, type FROM moved WHERE {SOMEBODY_LISTENS}
    )
    SELECT moved.*, pg_notify(%s, id::text) FROM moved
"""  # noqa: S608 (constants only)
MOVE = f"""
    UPDATE {TASKS} SET
        status = 'running', runner_id = %s, keeps_lock = 0, slot = %s,
        started_at = coalesce(
            started_at, strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')
        ),
        step_index = %s, step_name = %s, trail = %s
    WHERE id = %s AND status = 'pending' AND attempt = %s AND NOT EXISTS (
        SELECT 1 FROM {PAUSES} AS pause WHERE pause.type IN ('', {TASKS}.type)
    )
"""  # noqa: S608 (constants only)


def claim(runner: Runner) -> Task | None:
    """Move the oldest task that may run now to ``running``, in this runner's name. One
    of a type that the runner does not know is left to others.

    Of the task returned, LOADED is there. Where it goes on after the death of its
    runner, it stands behind the lines and changes that are stored of it, and so does
    the last entry of its trail.
    """
    types = runner.takes or ()
    while True:
        places = free_places(types)
        full = tuple(name for name, place in places.items() if place is None)
        queue = _queue(tuple(types), full, newest_first(types))
        # The other runner that took the task's lock or place meanwhile has won.
        with suppress(IntegrityError):
            if connection.features.has_select_for_update_skip_locked:
                return _claim_at_once(queue, places, runner)
            task = _next(*queue)
            if task is None or _moves(task, places.get(task.type), runner):
                return task


def free_places(types: Sequence[str]) -> dict[str, int | None]:
    """For each type of which only so many tasks may run, a place for one more; None
    where there is none. Without such types in the file this asks nothing."""
    limits = {
        name: kind.max_running
        for name, kind in catalog().items()
        if kind.max_running is not None and (not types or name in types)
    }
    taken: dict[str, list[int | None]] = {name: [] for name in limits}
    if limits:
        running = Task.objects.running().filter(type__in=limits)
        # Unordered, or SQLite would walk through all tasks in their order.
        for name, place in running.order_by().values_list("type", "slot"):
            taken[name].append(place)
    return {
        name: None
        if len(taken[name]) >= limit  # also where some began without a place
        else next(place for place in range(limit) if place not in taken[name])
        for name, limit in limits.items()
    }


def _claim_at_once(
    queue: Statement, places: Mapping[str, int | None], runner: Runner
) -> Task | None:
    statement, values = queue
    firsts = {name: first_change(kind) for name, kind in catalog().items()}
    return _next(
        CLAIM_AT_ONCE.format(queue=statement),
        [
            *values,
            json.dumps(firsts),
            json.dumps(first_change(None)),
            json.dumps(first_change(None)),
            json.dumps(places),
            runner.pk,
            CHANNELS["viewers"],
        ],
    )


def _moves(task: Task, place: int | None, runner: Runner) -> bool:
    """Move it, unless another runner was faster, or the queue is paused by now."""
    first: list[Any] = list(first_change(type_of(task), task.from_step))
    first[0], first[3] = task.last_seq, task.progress
    _, step_index, step_name, *_ = first
    task.trail = [*task.trail, first]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            MOVE,
            [
                key(runner.pk),
                place,
                step_index,
                step_name,
                json.dumps(task.trail),
                key(task.pk),
                task.attempt,
            ],
        )
        is_moved: bool = cursor.rowcount == 1
        if is_moved:
            WebhookEvent.objects.emit(Event.TASK_STARTED, [task.pk])
            announce([task.pk])
    return is_moved


def _next(statement: str, values: Sequence[Any]) -> Task | None:
    return next(iter(Task.objects.raw(statement, values)), None)


@lru_cache(maxsize=64)
def _queue(
    types: tuple[str, ...], full: tuple[str, ...], newest: tuple[str, ...]
) -> Statement:
    """The statement that finds the next task, and its values."""
    queue = Task.objects.next_in_queue(types, full, newest).only(*LOADED)[:1]
    return queue.query.sql_with_params()


def unheard_claim(runner: Runner, known: Collection[uuid.UUID]) -> Task | None:
    """Return the task of a claim that failed in the end, but was committed: one in the
    runner's name that is not among those that it knows."""
    return Task.objects.running().filter(runner=runner).exclude(pk__in=known).first()
