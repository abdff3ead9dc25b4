"""task_types.toml: what it may say, and what is said where it is wrong."""

from pathlib import Path

import pytest
from django.conf import settings
from django.core.checks import run_checks
from django.utils import translation

from tasks.catalog.definitions import content_of, type_from
from tasks.catalog.loader import CatalogError, catalog, changed_at, load, name_of
from tasks.catalog.task_type import ParameterErrors, Retention

VALID = """
[job]
title = "Job"
timeout = "30m"
lock = "version:{version}"
max_running = 3
labels = ["mac", "gpu"]
[job.params.version]
pattern = "v[0-9]+"
[job.params.channel]
choices = ["beta", "live"]
default = "beta"
[job.params.note]
required = false
[[job.steps]]
name = "one"
command = ["./run", "--version={version}", "{channel}", "{{literal}}", "{task_id}"]
weight = 2.5
timeout = "1.5h"
env = { CHANNEL = "{channel}" }
"""


def read(tmp_path, text):
    path = tmp_path / "task_types.toml"
    path.write_text(text, encoding="utf-8")
    return load(path)


@pytest.fixture
def job(tmp_path):
    return read(tmp_path, VALID)["job"]


def test_the_built_in_types_are_those_promised():
    types = load(settings.BASE_DIR / "task_types.toml")
    assert list(types) == [
        "check-integrity",
        "sync-facebook",
        "sync-native",
        "update-reuse",
        "full-sync",
        "check-store",
        "verify-public",
        "verify",
        "probe",
        "repair",
        "publish",
        "promote",
        "rollout",
        "halt-rollout",
        "rollback",
        "prune",
    ]
    asking = {"publish", "promote", "rollout", "halt-rollout", "rollback", "prune"}
    for name, kind in types.items():
        given = {} if name in ("prune", "verify", "probe") else {"version": "v885"}
        assert kind.validated(given).items() >= given.items()
        assert kind.confirm == (name in asking)
        assert not kind.hidden
    assert types["check-integrity"].validated({"version": "v885"}) == {
        "version": "v885"
    }


def test_durations_weights_locks_and_limits_are_read(job):
    assert job.max_running == 3
    assert job.labels == ("mac", "gpu")
    assert job.timeout_seconds == 1800
    assert job.steps[0].timeout_seconds == 5400
    assert job.steps[0].weight == 2.5
    assert job.lock_for({"version": "v885"}) == "version:v885"


def test_placeholders_become_parts_of_arguments(job):
    values = job.placeholders("the-id", {"version": "v1", "channel": "a b; c"})
    assert job.steps[0].argv(values) == [
        "./run",
        "--version=v1",
        "a b; c",
        "{literal}",
        "the-id",
    ]


def test_defaults_are_filled_in_and_what_is_not_required_may_be_left_out(job):
    assert job.validated({"version": "v1"}) == {"version": "v1", "channel": "beta"}


@pytest.mark.parametrize(
    ("given", "field", "says"),
    [
        ({}, "version", "Required"),
        ({"version": "885"}, "version", "v[0-9]+"),
        ({"version": "v885; rm -rf /"}, "version", "v[0-9]+"),
        ({"version": "../x"}, "version", "v[0-9]+"),
        ({"version": "v885\n"}, "version", "v[0-9]+"),
        ({"version": "v" + "8" * 2000}, "version", "Too long"),
        ({"version": 885}, "version", "a string"),
        ({"version": None}, "version", "a string"),
        ({"version": ["v885"]}, "version", "a string"),
        ({"version": "v1", "channel": "alpha"}, "channel", "beta, live"),
        ({"version": "v1", "note": "-rf"}, "note", "does not start with"),
        ({"version": "v1", "note": "a\nb"}, "note", "one line"),
        ({"version": "v1", "note": "a\0b"}, "note", "one line"),
        ({"version": "v1", "note": "\ud800"}, "note", "one line"),
        ({"version": "v1", "verzion": "v2"}, "verzion", "version, channel, note"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_would_be_right(job, given, field, says):
    with pytest.raises(ParameterErrors) as error:
        job.validated(given)
    assert list(error.value.errors) == [field]
    assert says in error.value.errors[field][0]


def test_the_schema_is_what_a_form_needs(job):
    schema = job.schema()
    assert schema["required"] == ["version"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["version"]["pattern"] == "^(?:v[0-9]+)$"
    assert schema["properties"]["channel"]["enum"] == ["beta", "live"]
    assert schema["properties"]["channel"]["default"] == "beta"


STEP = '[[job.steps]]\ncommand = ["true"]\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "there is no task type in it"),
        ("# [job]\n", "there is no task type in it"),
        ("[job", "line 1"),
        ("[job]\ntitle = 5\n" + STEP, "line 2: job.title: expected a string"),
        ("[job]\ntitel = 'x'\n" + STEP, "line 2: job.titel: unknown key"),
        ("[job]\ntimeout = '5 min'\n" + STEP, "line 2: job.timeout: expected a dur"),
        ("[job]\ntimeout = '0s'\n" + STEP, "line 2: job.timeout"),
        ("[job]\nallow = 'leads'\n" + STEP, "line 2: job.allow: expected a list of"),
        ("[job]\nallow = []\n" + STEP, "line 2: job.allow: expected at least one"),
        ("[job]\nallow = [' x']\n" + STEP, 'line 2: job.allow: " x" can'),
        (
            "[job]\nlabels = []\n" + STEP,
            "line 2: job.labels: expected at least one label",
        ),
        (
            '[job]\nlabels = ["mac", "a b"]\n' + STEP,
            'line 2: job.labels: "a b" is no label; expected up to 63 letters',
        ),
        (
            "[job]\nmax_running = 0\n" + STEP,
            "line 2: job.max_running: expected a whole",
        ),
        ("[job]\nmax_running = 10_001\n" + STEP, "line 2: job.max_running: expected"),
        ("[job]\nmax_running = true\n" + STEP, "line 2: job.max_running: expected"),
        ("[job]\nmax_running = '3'\n" + STEP, "line 2: job.max_running: expected"),
        (
            "[job]\nretention = 5\n" + STEP,
            "line 2: job.retention: it must be a table",
        ),
        (
            "[job]\nretention = {}\n" + STEP,
            "line 2: job.retention: expected some of: count, age, size",
        ),
        (
            "[job]\nretention = {days = 3}\n" + STEP,
            "job.retention.days: unknown key; there are: count, age, size",
        ),
        (
            "[job]\nretention = {count = -1}\n" + STEP,
            "job.retention.count: expected a whole number from 0 (all are kept) to",
        ),
        (
            "[job]\nretention = {count = '5'}\n" + STEP,
            "job.retention.count: expected a whole number from 0",
        ),
        (
            "[job.retention]\nage = '90 days'\n" + STEP,
            "line 2: job.retention.age: expected a duration in s, m, h or d, e.g. 90d",
        ),
        ("[job]\nretention = {age = 90}\n" + STEP, "job.retention.age: expected"),
        ("[job]\nretention = {age = true}\n" + STEP, "job.retention.age: expected"),
        ("[job]\nretention = {age = '0d'}\n" + STEP, "job.retention.age: expected"),
        ("[job]\nretention = {age = '99999d'}\n" + STEP, "job.retention.age: exp"),
        (
            "[job]\nretention = {size = '2GB'}\n" + STEP,
            "job.retention.size: expected bytes, or a size in KiB, MiB or GiB",
        ),
        ("[job]\nretention = {size = -5}\n" + STEP, "job.retention.size: expected"),
        ("[job]\nretention = {size = 1.5}\n" + STEP, "job.retention.size: expected"),
        ("[job]\nhidden = 1\n" + STEP, "line 2: job.hidden: expected true or false"),
        ("[job]\ntitle = 'x'\n", "line 1: job.steps: there must be at least one"),
        ("[Job X]\n", "line 1"),
        ("['Job X']\ntitle = 'x'\n" + STEP, "small letters"),
        ("[cancel]\ntitle = 'x'\n" + STEP, "POST /api/tasks/cancel is something else"),
        ("[rerun]\ntitle = 'x'\n" + STEP, "can't be called so"),
        ("[job]\n[[job.steps]]\nname = 'a'\n", "line 2: job.steps[0].command"),
        (
            "[job]\n" + STEP + "[[job.steps]]\ncommand = 'true'\n",
            "line 5: job.steps[1].command: expected a list",
        ),
        (
            "[job]\n" + STEP + "[[job.steps]]\ncommand = ['a']\nretries = 99\n",
            "line 6: job.steps[1].retries",
        ),
        (
            "[job]\n[[job.steps]]\ncommand = ['a', '{vresion}']\n",
            "line 3: job.steps[0].command: {vresion} is no parameter",
        ),
        ("[job]\nlock = '{x}'\n" + STEP, "line 2: job.lock: {x} is no parameter"),
        (
            "[job]\n[job.params.v]\npattern = '['\n" + STEP,
            "line 3: job.params.v.pattern: not a regular expression",
        ),
        (
            "[job]\n[job.params.v]\npattern = 'v'\ndefault = 'w'\n" + STEP,
            "line 4: job.params.v.default",
        ),
        (
            "[job]\n[job.params.v]\nsecret = true\ndefault = 'abc'\n" + STEP,
            "line 4: job.params.v.default: a secret has at least 4 characters",
        ),
        ("[job]\n[job.params.task_id]\n" + STEP, "line 2: job.params.task_id"),
        (
            "[job]\n[[job.steps]]\ncommand = ['a']\nweight = 0\n",
            "line 4: job.steps[0].weight: expected a number above 0",
        ),
    ],
)
def test_a_wrong_file_is_refused_naming_line_and_key(tmp_path, text, says):
    with pytest.raises(CatalogError) as error:
        read(tmp_path, text)
    assert str(error.value).startswith("task_types.toml")
    assert says in str(error.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(CatalogError, match=r"absent\.toml: it can't be read"):
        load(Path(tmp_path / "absent.toml"))
    (tmp_path / "latin.toml").write_bytes(b"[job]\ntitle = '\xe9'\n")
    with pytest.raises(CatalogError, match="not UTF-8"):
        load(tmp_path / "latin.toml")


def write(folder, **types):
    """A file for each: NAME.toml with these types."""
    for name, kinds in types.items():
        text = "".join(f"[job]\n{STEP}".replace("job", x) for x in kinds.split())
        (folder / f"{name}.toml").write_text(text)


def test_several_files_and_folders_are_read_together(tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    write(tmp_path, built_in="check sync")
    write(own, b="pack", a="draw paint")
    (own / ".a.toml.swp").write_text("no TOML")
    (own / ".hidden.toml").write_text("no TOML")
    (own / "README.md").write_text("no TOML")
    (own / "all-commented-out.toml").write_text("# [later]\n")
    found = load([tmp_path / "built_in.toml", own, own / "b.toml"])
    assert list(found) == ["check", "sync", "draw", "paint", "pack"]


def test_a_type_that_is_defined_twice_is_told_with_both_files(tmp_path):
    write(tmp_path, a="check sync", b="pack sync")
    with pytest.raises(CatalogError) as error:
        load([tmp_path / "a.toml", tmp_path / "b.toml"])
    assert str(error.value) == (
        f"sync is defined twice: in {tmp_path}/a.toml, line 4, and in "
        f"{tmp_path}/b.toml, line 4; give one another name."
    )


def test_the_folder_of_own_types_may_be_missing_and_no_other(tmp_path, settings):
    settings.BASE_DIR = tmp_path
    write(tmp_path, task_types="check")
    shipped = tmp_path / "task_types.toml"
    assert list(load([shipped, tmp_path / "task_types.d"])) == ["check"]
    with pytest.raises(CatalogError, match=r"other\.d: it can't be read"):
        load([shipped, tmp_path / "other.d"])
    (tmp_path / "task_types.d").mkdir()
    write(tmp_path / "task_types.d", studio="pack")
    assert list(load([shipped, tmp_path / "task_types.d"])) == ["check", "pack"]
    (tmp_path / "task_types.d" / "studio.toml").write_text("[pack]\ntitel = 'x'\n")
    with pytest.raises(
        CatalogError, match=r"^task_types\.d/studio\.toml, line 2: pack"
    ):
        load([shipped, tmp_path / "task_types.d"])


def test_what_comes_into_or_goes_from_a_folder_is_a_change(tmp_path):
    write(tmp_path, a="check", b="sync")
    before = load(tmp_path).changed_at
    passing = tmp_path / "passing"
    while changed_at([tmp_path]) <= before:  # times of files go in steps
        passing.touch()
        passing.unlink()
    assert load(tmp_path).changed_at > before


def test_a_wrong_file_stops_the_start(tmp_path, settings):
    settings.TASK_TYPES_FILE = tmp_path / "absent.toml"
    catalog.cache_clear()
    try:
        assert "tasks.E001" in [error.id for error in run_checks()]
    finally:
        catalog.cache_clear()


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["./match", "-seed", "v1"], "match"),
        (["{python}", "{project}/jobs/pack.py", "v1"], "pack.py"),
        (["{python}", "-m", "resources", "check"], "resources"),
        (["{python}", "-X", "dev", "-u", "jobs/pack.py"], "pack.py"),
        (["{python}", "-c", "print(1)"], "python"),
        (["python3.11", "pack.py"], "pack.py"),
        (["bash", "-eu", "-o", "pipefail", "tools/pack.sh"], "pack.sh"),
        (["/bin/sh", "-c", "make all"], "sh"),
        (["/usr/bin/env", "-S", "A=1", "node", "build.js"], "build.js"),
        (["env"], "env"),
        (["python"], "python"),
        (["python", "-m"], "python"),
        (["{platform}/pack"], "pack"),
    ],
)
def test_a_step_without_a_name_has_that_of_its_script_or_program(command, name):
    assert name_of(command) == name


@pytest.mark.parametrize(
    ("pty", "is_one", "size"),
    [
        ("true", True, (120, 30)),
        ("false", False, (120, 30)),
        ("{columns = 200, rows = 50}", True, (200, 50)),
        ("{columns = 200}", True, (200, 30)),
        ("{}", True, (120, 30)),
    ],
)
def test_a_step_may_ask_for_a_terminal_of_a_size(tmp_path, pty, is_one, size):
    text = f"[job]\n[[job.steps]]\ncommand = ['x']\npty = {pty}\n"
    (step,) = read(tmp_path, text)["job"].steps
    assert step.pty is is_one
    assert (step.columns, step.rows) == size


@pytest.mark.parametrize(
    ("pty", "says"),
    [
        ("'yes'", "pty: expected true, false, or a size"),
        ("1", "pty: expected true, false, or a size"),
        ("{columns = 0}", "pty.columns: expected a whole number from 1"),
        ("{rows = 10001}", "pty.rows: expected a whole number from 1 to 10000"),
        ("{rows = 'many'}", "pty.rows: expected a whole number from 1"),
        ("{width = 80}", "pty.width: unknown key; there are: columns, rows"),
    ],
)
def test_a_terminal_s_size_that_is_none_is_named(tmp_path, pty, says):
    text = f"[job]\n[[job.steps]]\ncommand = ['x']\npty = {pty}\n"
    with pytest.raises(CatalogError) as error:
        read(tmp_path, text)
    assert says in str(error.value)


# --- In two languages ---------------------------------------------------------------

BILINGUAL = """
[job]
title = {en = "Pack", zh-hans = "打包"}
description = "One language"
group = {en = "Builds", zh-hans = "构建"}
[job.params.fast]
title = {zh-hans = "快", en = "Fast"}
choices = ["no", "yes"]
labels = {yes = {en = "yes", zh-hans = "是"}}
[[job.steps]]
name = {en = "Fetch", zh-hans = "拉取"}
command = ["true"]
"""


@pytest.fixture
def bilingual(tmp_path):
    path = tmp_path / "task_types.toml"
    path.write_text(BILINGUAL)
    return load(path)["job"]


def test_texts_are_english_and_read_in_the_readers_language(bilingual):
    (parameter,), (step,) = bilingual.params, bilingual.steps
    assert (bilingual.title, step.name, parameter.labels) == (
        "Pack",
        "Fetch",
        {"yes": "yes"},
    )
    with translation.override("zh-hans"):
        assert bilingual.local("Pack") == "打包"
        assert bilingual.local("Fetch") == "拉取"
        assert bilingual.local(bilingual.group) == "构建"
        assert bilingual.local("yes") == "是"
        assert bilingual.local("One language") == "One language"
        assert bilingual.schema()["properties"]["fast"]["title"] == "快"
    with translation.override("en"):
        assert bilingual.local("Pack") == "Pack"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("title = {zh-hans = 'x'}", "job.title.en: it is missing; expected a string"),
        ("title = {en = 'x', fr = 'y'}", "job.title.fr: unknown key; there are: en, "),
        ("title = {en = 'x', zh-hans = 5}", "job.title.zh-hans: expected a string"),
        ("[job.params.p]\nexample = 5", "job.params.p.example: expected a string"),
        (
            "[job.params.p]\npattern = 'v[0-9]+'\nexample = '885'",
            "job.params.p.example: it is not a value that the parameter takes",
        ),
        (
            "[job.params.p]\nsuggest = 'builds'",
            'job.params.p.suggest: expected "versions", or a table: ',
        ),
        (
            "[job.params.p]\nsuggest = {platforms = ['ios']}",
            'job.params.p.suggest: expected "versions", or a table: ',
        ),
        (
            "[job.params.p]\nsuggest = {versions = 'disk'}",
            "job.params.p.suggest.versions: expected one of: any, source, store",
        ),
        (
            "[job.params.p]\nsuggest = {versions = 'any', platforms = ['iOS']}",
            'job.params.p.suggest.platforms: "iOS" can\'t name a platform',
        ),
        (
            "[job.params.p]\nsuggest = {versions = 'any', of = 'ios'}",
            "job.params.p.suggest.of: unknown key; there are: versions, platforms",
        ),
        (
            "[job.params.p]\nchoices = ['a']\nsuggest = 'versions'",
            "job.params.p.suggest: a parameter with choices offers those",
        ),
        (
            "[job.params.p]\nchoices = ['a']\nlabels = {b = 'x'}",
            "job.params.p.labels.b: unknown key; there are: a",
        ),
    ],
)
def test_a_text_in_no_language_that_is_known_is_named(tmp_path, text, says):
    path = tmp_path / "task_types.toml"
    path.write_text(f"[job]\n{text}\n{STEP}")
    with pytest.raises(CatalogError) as error:
        load(path)
    assert says in str(error.value)


def test_what_people_read_is_no_part_of_what_a_task_was_accepted_with(bilingual):
    content = content_of(bilingual)
    assert "打包" not in str(content)
    assert type_from(content).title == "Pack"


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("{count = 500}", Retention(count=500)),
        ('{age = "90d"}', Retention(age_seconds=90 * 86_400)),
        ('{age = "1.5h"}', Retention(age_seconds=5_400)),
        ('{size = "2GiB"}', Retention(size_bytes=2 * 2**30)),
        ("{size = 4096}", Retention(size_bytes=4096)),
        ('{count = 0, age = 0, size = "0"}', Retention(0, 0, 0)),
    ],
)
def test_a_type_says_how_long_its_tasks_are_kept(tmp_path, said, means):
    job = read(tmp_path, f"[job]\nretention = {said}\n{STEP}")["job"]
    assert job.retention == means
    assert "retention" not in content_of(job)  # a task's own is today's


def test_a_type_that_says_nothing_leaves_it_to_the_settings(job):
    assert job.retention == Retention()
