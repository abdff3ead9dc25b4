"""Workflow commands: recognised exactly, or left alone as ordinary lines."""

import pytest

from tasks.workflow import Command, parse


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
    ],
)
def test_a_command_is_understood(line, command):
    assert parse(line) == command


@pytest.mark.parametrize(
    "line",
    [
        "progress::40",
        " ::progress::40",
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
