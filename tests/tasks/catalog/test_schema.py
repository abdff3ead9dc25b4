"""The JSON Schema of task types, for editors, is in step with what is read."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from django.conf import settings
from jsonschema import Draft202012Validator, ValidationError

from tests.tasks.approvals.definitions import TYPES as APPROVALS
from tests.tasks.catalog.test_definitions import FULL
from tests.tasks.catalog.test_loader import STEP, VALID

ROOT = Path(settings.BASE_DIR)
FILE = ROOT / "docs/reference/task-types.schema.json"
SCHEMA = json.loads(FILE.read_text())


def check(text):
    Draft202012Validator(SCHEMA).validate(tomllib.loads(text))


def test_it_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)


def test_it_has_every_key_that_is_read_and_no_other():
    names = ("loader", "schedules", "approvals", "retention")
    files = [f"tasks/catalog/{name}.py" for name in names]
    source = "".join((ROOT / file).read_text() for file in files)
    read = [
        set(found)
        for keys in re.findall(r"\.only\(([^)]+)\)", source)
        if (found := re.findall(r'"([a-z_]+)"', keys))
    ]
    defined = SCHEMA["$defs"]
    terminal = defined["step"]["properties"]["pty"]["anyOf"][1]
    suggest = defined["parameter"]["properties"]["suggest"]["anyOf"][1]
    tables = [*(defined["type"], defined["parameter"], suggest), defined["step"]]
    approval = defined["step"]["properties"]["approval"]
    asks = defined["step"]["oneOf"][1]
    tables += [terminal, defined["schedule"], asks, approval]
    tables += [defined["type"]["properties"]["retention"]]
    assert read == [set(table["properties"]) for table in tables]


@pytest.mark.parametrize(
    "text",
    [
        VALID,
        FULL,
        (ROOT / "task_types.toml").read_text(),
        APPROVALS,
        (ROOT / "examples/task_types/full-sync-approved.toml").read_text(),
        (ROOT / "tests/e2e/task_types.toml").read_text(),
    ],
)
def test_it_takes_what_the_service_takes(text):
    check(text)


@pytest.mark.parametrize(
    "text",
    [
        "[job]\ntitle = 5\n" + STEP,
        "[job]\ntitel = 'x'\n" + STEP,
        "[job]\ntimeout = '5 min'\n" + STEP,
        "[job]\nmax_running = 0\n" + STEP,
        "[job]\nlabels = []\n" + STEP,
        "[job]\nlabels = ['a b']\n" + STEP,
        "[job]\nretention = {}\n" + STEP,
        "[job]\nretention = {count = -1}\n" + STEP,
        "[job]\nretention = {age = 90}\n" + STEP,
        "[job]\nretention = {size = '2GB'}\n" + STEP,
        "[job]\nretention = {days = 3}\n" + STEP,
        "[job]\ntitle = 'x'\n",
        "['Job X']\ntitle = 'x'\n" + STEP,
        "[job]\n[[job.steps]]\nname = 'a'\n",
        "[job]\n[[job.steps]]\ncommand = 'true'\n",
        "[job]\n[[job.steps]]\ncommand = ['']\n",
        "[job]\n[[job.steps]]\ncommand = ['a']\nretries = 99\n",
        "[job]\n[[job.steps]]\ncommand = ['a']\nweight = 0\n",
        "[job]\n[[job.steps]]\ncommand = ['a']\npty = {width = 80}\n",
        "[job]\n[job.params.task_id]\n" + STEP,
        "[job.params.version]\nexample = 885\n" + STEP,
        "[job.params.version]\nsuggest = 'builds'\n" + STEP,
        "[job.params.version]\nsuggest = {platforms = ['ios']}\n" + STEP,
        "[job.params.version]\nsuggest = {versions = 'disk'}\n" + STEP,
        "[job.params.version]\nsuggest = {versions = 'any', platforms = ['iOS']}\n"
        + STEP,
        "[job.params.x]\nchoices = ['a']\nsuggest = 'versions'\n" + STEP,
    ],
)
def test_it_refuses_what_the_service_refuses(text):
    with pytest.raises(ValidationError):
        check(text)
