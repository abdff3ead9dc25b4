"""What jobs print does nothing to the terminal of who follows them."""

import json

import pytest
from django.core.management import call_command

from tasks.management.printable import printable, printable_json
from tasks.models import Task
from tests.factories import TaskFactory, write_log

ATTACKS = {
    "clears the screen": ("\x1b[2Jgone", "\\x1b[2Jgone"),
    "sets the title": ("\x1b]0;root#\x07", "\\x1b]0;root#\\x07"),
    "a link": ("\x1b]8;;http://x\x1b\\\\a", "\\x1b]8;;http://x\\x1b\\\\a"),
    "writes the clipboard": ("\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07"),
    "asks the terminal": ("\x1b[6n\x1b[c", "\\x1b[6n\\x1b[c"),
    "C1": ("\x9b2J\x9d0;t\x9c", "\\x9b2J\\x9d0;t\\x9c"),
    "turns text around": ("exe.\u202egnp", "exe.\\u202egnp"),
    "isolates": ("a\u2066b\u2069", "a\\u2066b\\u2069"),
    "marks": ("a\u200fb\u061c", "a\\u200fb\\u061c"),
    "overwrites the line": ("bad\rgood\b\b", "bad\\x0dgood\\x08\\x08"),
    "another line": ("a\n-- completed\u2028b", "a\\x0a-- completed\\u2028b"),
    "half a sequence": ("a\x1b[3", "a\\x1b[3"),
    "DEL and NUL": ("a\x7f\0", "a\\x7f\\x00"),
}


@pytest.mark.parametrize(("text", "shown"), ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize("colours", [True, False])
def test_what_a_terminal_would_obey_is_shown_instead(text, shown, colours):
    assert printable(text, colours=colours) == shown


def test_colours_are_passed_on_to_a_terminal_and_end_with_the_line():
    red = "\x1b[1;31mred \x1b[38;5;208mand on"
    assert printable(red, colours=True) == red + "\x1b[0m"
    assert printable(red, colours=False) == "red and on"


def test_a_colour_that_hides_what_follows_is_left_out():
    assert printable("a\x1b[8mhidden", colours=True) == "ahidden"


def test_ordinary_text_stays_as_it_is():
    text = "版本\tv885 … naïve 😀"
    assert printable(text, colours=True) == text


def test_json_means_the_same_and_has_nothing_to_obey():
    value = {"message": "".join(text for text, _ in ATTACKS.values())}
    line = printable_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(line) == value
    assert printable(line, colours=False) == line


@pytest.mark.django_db
@pytest.mark.parametrize("options", [{}, {"json": True}])
def test_follow_shows_a_job_s_escapes_instead_of_sending_them(capsys, options):
    error = "failed\x1b]0;x\x07"
    task = TaskFactory(status=Task.Status.FAILED, error=error)
    # Lines have no NUL: PostgreSQL takes none.
    said = [text.replace("\0", "\ufffd") for text, _ in ATTACKS.values()]
    write_log(task, *said, "\x1b[31mred")
    with pytest.raises(SystemExit):
        call_command("follow", str(task.pk), **options)
    printed = capsys.readouterr().out
    assert "gone" in printed
    assert not set(printed) & set("\x1b\x07\x9b\x9d\u202e\u2066\u200f\r\b\0")
