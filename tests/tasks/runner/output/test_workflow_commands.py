"""Workflow commands: recognised exactly, or left alone as ordinary lines."""

import json

import pytest

from tasks.runner.output.workflow_commands import (
    JSON_LEVELS,
    Command,
    NotJson,
    json_of,
    parse,
)

SUMMARY = "# v885\n\n100% :: %0"  # the half escape stays as it is


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("::progress::40", Command("progress", "40")),
        ("::progress:: 40 %", Command("progress", "40")),
        ("::progress::40.7", Command("progress", "40")),
        ("::error::disk is full", Command("error", "disk is full")),
        ("::error file=a.js,line=1::bad", Command("error", "bad")),
        ("::error::100%25 full", Command("error", "100% full")),
        ("::notice::", Command("notice", "")),
        ("::group::Build", Command("group", "Build")),
        ("::endgroup::", Command("endgroup", "")),
        ("::add-mask::s3cret", Command("add-mask", "s3cret")),
        ("::set-output name=count::12", Command("set-output", "12", "count")),
        (
            "::set-output name=url::http://a::b",
            Command("set-output", "http://a::b", "url"),
        ),
        (
            '::set-output name=ios,type=json::{"new": 12}',
            Command("set-output", '{"new": 12}', "ios", is_json=True),
        ),
        ("::summary::", Command("summary", "")),
        ("::summary::# v885%0A%0D%0A100%25 :: %0", Command("summary", SUMMARY)),
        ("::set-output name=n,type=jsonl::1", Command("set-output", "1", "n")),
    ],
)
def test_a_command_is_understood(line, command):
    assert parse(line) == command


@pytest.mark.parametrize(
    "line",
    [
        "progress::40",
        " ::progress::40",
        " ::summary::x",
        "::summary:x",
        "::progress::101",
        "::progress::-1",
        "::progress::soon",
        "::set-output::12",
        "::set-output name=::12",
        "::unknown::x",
        "::",
        "",
    ],
)
def test_what_only_looks_like_one_is_a_line(line):
    assert parse(line) is None


@pytest.mark.parametrize(
    "text", ['{"new": 12, "of": ["a", null]}', "[]", "1.5", '"text"', "true"]
)
def test_a_json_value_is_read(text):
    assert json_of(text) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1] 2",
        "NaN",
        "[Infinity]",
        "[1e999]",
        '"a\\u0000"',
        '["\\ud800"]',
        "1" * 5000,
        "[" * (JSON_LEVELS + 1) + "]" * (JSON_LEVELS + 1),
        "[" * 60_000,
        "[" * 30_000 + "]" * 30_000,
    ],
    ids=lambda text: text[:12],
)
def test_what_no_database_would_keep_is_no_json_value(text):
    with pytest.raises(NotJson):
        json_of(text)
