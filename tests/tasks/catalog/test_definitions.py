"""Task types as they were when a task was accepted."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from tasks.catalog import definitions
from tasks.catalog.definitions import UnknownDefinition, content_of, type_from
from tasks.catalog.loader import load
from tasks.models import TaskDefinition
from tests.factories import TaskFactory

pytestmark = pytest.mark.postgres

FULL = r"""
[pack]
title = "Pack"
description = "All of it"
group = "Builds"
lock = "version:{version}"
max_running = 2
labels = ["mac"]
timeout = "2h"
stop_grace = "30s"
stall_after = "5m"
max_log_lines = 10
max_log_bytes = "64MiB"
on_log_limit = "cut"
idempotent = true
hidden = true
confirm = true
user = "builder"
env = {PACK_LEVEL = "9"}
[pack.params.version]
title = "Version"
description = "Which"
pattern = "v[0-9]+"
example = "v1"
suggest = {versions = "store", platforms = ["ios"]}
[pack.params.channel]
choices = ["beta", "live"]
default = "beta"
[pack.params.token]
secret = true
required = false
[[pack.steps]]
name = "Fetch"
command = ["rsync", "{version}"]
progress_pattern = '(?P<percent>[0-9]+)%'
retries = 2
[[pack.steps]]
command = ["./pack", "{{x}}"]
cwd = "tools"
env = {A = "{version}"}
pty = true
weight = 4
timeout = "1s"
stall_after = "2s"
user = "root"
continue_on_error = true
"""


def read(tmp_path, text):
    path = tmp_path / "task_types.toml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def test_what_only_a_form_needs_is_not_kept(tmp_path):
    """So that a runner of an earlier version still understands it."""
    (kind,) = read(tmp_path, FULL).values()
    version = content_of(kind)["params"][0]
    assert version["pattern"] == "v[0-9]+"
    assert not {"example", "suggestion", "labels"} & set(version)


def test_every_key_of_a_type_is_kept(tmp_path):
    kinds = [
        *read(tmp_path, FULL).values(),
        *load(settings.BASE_DIR / "task_types.toml").values(),
    ]
    for kind in kinds:
        # As it comes back from the database.
        content = json.loads(json.dumps(content_of(kind)))
        params = tuple(
            replace(p, labels={}, example="", suggestion=None) for p in kind.params
        )
        unneeded = {"translations": {}, "group": "", "labels": ()}
        as_kept = replace(kind, params=params, **unneeded)
        assert type_from(content) == as_kept


def test_the_default_of_a_secret_is_not_kept(tmp_path):
    text = FULL.replace("required = false", 'default = "d3fault-token"')
    kind = read(tmp_path, text)["pack"]
    assert "d3fault" not in json.dumps(content_of(kind))


@pytest.mark.django_db
def test_an_unchanged_type_is_stored_once(tmp_path):
    kind = read(tmp_path, FULL)["pack"]
    first, second = definitions.keep(kind), definitions.keep(kind)
    changed = read(tmp_path, FULL.replace("9", "8"))["pack"]
    assert first == second != definitions.keep(changed)
    assert TaskDefinition.objects.count() == 2


@pytest.mark.parametrize(
    "content",
    [
        {
            "name": "a",
            "title": "",
            "description": "",
            "params": [],
            "steps": [],
            "x": 1,
        },
        {"name": "a"},
        {"name": "a", "params": [{"name": "p", "title": "", "y": 1}], "steps": []},
        {},
    ],
)
def test_what_another_version_stored_is_refused_and_not_guessed_at(content):
    with pytest.raises(UnknownDefinition):
        type_from(content)


@pytest.mark.django_db
def test_a_definition_is_deleted_a_day_after_its_last_task(tmp_path):
    kept, unused, fresh = (
        definitions.keep(read(tmp_path, FULL.replace("9", digit))["pack"])
        for digit in "123"
    )
    task = TaskFactory(definition_id=kept)
    old = TaskDefinition.objects.filter(pk__in=[kept, unused])
    old.update(used_at=timezone.now() - timedelta(days=2))
    assert TaskDefinition.objects.forget() == 1
    assert set(TaskDefinition.objects.values_list("pk", flat=True)) == {kept, fresh}
    task.delete()
    assert TaskDefinition.objects.forget() == 1
    assert TaskDefinition.objects.forget() == 0


@pytest.mark.django_db
def test_a_definition_that_is_named_again_is_fresh_again(tmp_path):
    kind = read(tmp_path, FULL)["pack"]
    long_ago = timezone.now() - timedelta(days=2)
    TaskDefinition.objects.filter(pk=definitions.keep(kind)).update(used_at=long_ago)
    definitions.keep(kind)
    assert TaskDefinition.objects.forget() == 0
