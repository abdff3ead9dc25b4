"""Steps that ask for an approval, as the file of task types says them."""

from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings

from tasks.catalog.definitions import content_of, type_from
from tasks.catalog.loader import load
from tasks.catalog.task_type import ApprovalWanted
from tasks.catalog.toml_tables import CatalogError

EXAMPLE = Path(settings.BASE_DIR) / "examples/task_types/full-sync-approved.toml"
STEP = "[[job.steps]]\ncommand = ['x']\n"
ASKS = "[[job.steps]]\napproval = {}\n"


def read(tmp_path, text):
    file = tmp_path / "types.toml"
    file.write_text(text)
    return load(file)["job"]


@pytest.mark.parametrize(
    ("type_says", "step_says", "wanted"),
    [
        ("", "", ApprovalWanted(("admin",))),
        ("approvers = ['leads', 'qa']", "", ApprovalWanted(("leads", "qa"))),
        ("approvers = ['leads']", "by = ['qa']", ApprovalWanted(("qa",))),
        (
            "",
            "by = ['qa'], not_self = true, timeout = '24h', message = 'Out?', "
            "release_lock = true",
            ApprovalWanted(("qa",), True, 86400.0, "Out?", True),
        ),
    ],
    ids=["nobody-named", "by-the-type", "by-the-step", "all"],
)
def test_who_decides_and_what_else_it_says(tmp_path, type_says, step_says, wanted):
    asks = ASKS.replace("{}", f"{{{step_says}}}")
    kind = read(tmp_path, f"[job]\n{type_says}\n{asks}{STEP}")
    assert kind.steps[0].approval == wanted
    assert (kind.steps[0].name, kind.steps[0].weight) == ("Approval", 0)
    assert type_from(content_of(kind)) == replace(kind, approvers=())


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ("approval = true", "approval: expected {by ="),
        ("approval = {}\ncommand = ['x']", "a command or an approval, not both"),
        ("approval = {}\nretries = 1", "retries: unknown key; there are: name"),
        ("approval = {by = []}", "by: expected at least one group"),
        ("approval = {by = 'leads'}", "by: expected a list of strings"),
        ("approval = {by = [' x']}", '" x" can\'t name a group'),
        ("approval = {timeout = '1 day'}", "timeout: expected a duration"),
        ("approval = {not_self = 1}", "not_self: expected true or false"),
        ("approval = {message = '{who}'}", "{who} is no parameter of this type"),
        ("approval = {self = true}", "self: unknown key"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, step, says):
    with pytest.raises(CatalogError) as error:
        read(tmp_path, f"[job]\n[[job.steps]]\n{step}\n{STEP}")
    assert "job.steps[0]." in str(error.value)
    assert says in str(error.value)


def test_approvers_are_groups(tmp_path):
    with pytest.raises(CatalogError, match="approvers: expected at least one group"):
        read(tmp_path, f"[job]\napprovers = []\n{STEP}")


def test_there_is_something_to_let_run(tmp_path):
    with pytest.raises(CatalogError, match="needs a step after it") as error:
        read(tmp_path, f"[job]\n{STEP}{ASKS}")
    assert "job.steps[1].approval" in str(error.value)


def test_the_example_is_the_full_sync_with_an_approval_before_the_rollout():
    """Whoever changes the one changes the other."""
    approved = load(EXAMPLE)["full-sync-approved"]
    plain = load(Path(settings.BASE_DIR) / "task_types.toml")["full-sync"]
    *before, asks, last = approved.steps
    assert (*before, last) == plain.steps
    assert (asks.approval.by, asks.approval.not_self) == (("leads",), True)
    assert approved.params == plain.params
    assert approved.lock == plain.lock
