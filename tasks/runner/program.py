"""The program of a step: its command, folder, environment and account."""

import os
import uuid
from collections.abc import Mapping

from django.conf import settings

from tasks.catalog.task_type import Step, TaskType, fill
from tasks.shim.client import Program

TERMINAL = "xterm-256color"  # whose colours the pages know
PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "SSL_CERT_FILE")
PASSED_ON_PREFIXES = ("RESOURCE_", "AWS_", "AZURE_", "GOOGLE_", "LC_")


def program_of(
    step: Step,
    kind: TaskType,
    values: Mapping[str, str],
    task_id: uuid.UUID,
    approved_sha256: str | None = None,
) -> Program:
    """Return what to start for a step. ``approved_sha256``: of what somebody agreed
    to before it. Raises NoValue."""
    folder = fill(step.cwd, values) if step.cwd else "."
    own_env = {
        name: fill(value, values) for name, value in {**kind.env, **step.env}.items()
    }
    # Last: a type that could set it would tell its programs of an approval itself.
    approved = {"APPROVED_SHA256": approved_sha256} if approved_sha256 else {}
    return Program(
        argv=step.argv(values),
        cwd=str(settings.BASE_DIR / folder),
        env={**_environment(step, kind, task_id), **own_env, **approved},
        user=step.user or kind.user,
        own_env=own_env,
        pty=step.pty,
        columns=step.columns,
        rows=step.rows,
        umask=settings.STEP_UMASK,
    )


def _environment(step: Step, kind: TaskType, task_id: uuid.UUID) -> dict[str, str]:
    """Return a clean one: no key, no password and no secret of the service in it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in PASSED_ON or name.startswith(PASSED_ON_PREFIXES)
    }
    return {
        "PATH": os.defpath,
        **kept,
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        **({"TZ": settings.HOST_TZ} if settings.HOST_TZ else {}),
        "PYTHONUNBUFFERED": "1",
        **({"TERM": TERMINAL} if step.pty else {}),
        "DATA_DIR": str(settings.DATA_DIR),
        "TASK_ID": str(task_id),
        "TASK_TYPE": kind.name,
    }
