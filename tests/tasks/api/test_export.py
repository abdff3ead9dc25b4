"""GET /api/tasks/{id}/export.html."""

import base64
import hashlib
import html
import re
import tracemalloc

import pytest
from django.test import Client
from django.utils import translation

from tasks.access.actor import Actor, record
from tasks.logs import store as log_store
from tasks.models import Task
from tasks.presenters.export import lines
from tasks.presenters.export.pictures import pictured, text_of
from tasks.presenters.export.signature import is_signed
from tests.factories import ApiKeyFactory, TaskFactory, write_log
from tests.tasks.api.answers import problem_of

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
HOSTILE = (
    "</pre></main><script>alert(1)</script>",
    "<!-- &amp; &lt; ]]>",
    "\x1b[31mred\x1b[0m \x1b]0;<b>U+202E\x07 bell\x07",
    "two\nlines\r\nof\rone",
    "\u2028 \u2029 \u202e turned \ufeff \x85 \x9b \uffff ␛ U+202E",
    "\ttab and 世界 🎮",
    "",
)


@pytest.fixture
def task(db):
    task = TaskFactory(
        status="failed",
        params={"version": "v885", "note": "<b>&\x1b\u202e"},
        error="It broke: <i>&",
        result={
            "results": [
                {"name": "compare", "command": "./match <v885>", "exitCode": 0,
                 "durationMs": 14, "attempt": 1},
            ],
            "outputs": {"files": 12},
        },
        trail=[[0, 1, "compare", 0, None], [2, 2, "check", 50, None]],
    )  # fmt: skip
    write_log(task, ("info", "Executing: ./match"), *HOSTILE, ("error", "Broken."))
    return sealed(task)


def sealed(task):
    task.log_sha256 = log_store.sha256(task.pk)
    task.save()
    return task


def export(client, task, **headers):
    response = client.get(f"/api/tasks/{task.pk}/export.html", headers=headers)
    assert response.status_code == 200
    assert response.streaming
    return response.getvalue().decode()


def told(page, name):
    return re.search(f'id="{name}">([^<]*)<', page)[1]


def main_of(page):
    return page.partition("<main>")[2].partition("</main>")[0]


def rows_of(page):
    """The text of each row."""
    blocks = re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)
    return text_of("".join(blocks)).split("\n")[:-1]


def test_it_is_a_file_with_a_name_that_says_what_it_is(program, task):
    response = program.get(f"/api/tasks/{task.pk}/export.html")
    assert response["Content-Type"] == "text/html; charset=utf-8"
    day = task.completed_at.date()
    name = f"check-integrity-v885-{day}-{str(task.pk)[:8]}.html"
    assert response["Content-Disposition"] == f'attachment; filename="{name}"'


def test_it_says_who_did_what_when_and_what_came_of_it(program, task):
    said = text_of(main_of(export(program, task)))
    for text in (
        *("Check integrity v885", str(task.pk), "✕ failed", "It broke: <i>&", "alice"),
        *("compare", "./match <v885>", "14 ms", "check", "not run"),
        f"{task.started_at:%Y-%m-%d %H:%M:%S.}",
    ):
        assert text in said, text


def test_each_line_has_its_number_time_level_and_text_below_its_step(program, task):
    page = export(program, task)
    rows = rows_of(page)
    assert len(rows) == task.last_seq
    assert rows[0] == "1  12:00:00.001  info     Executing: ./match"
    assert rows[-1].endswith("  error    Broken.")
    first, second = re.findall(r"<h3>(.*?)</h3>", page)
    assert first.startswith("Step 1 of 3: ")
    assert second.startswith("Step 2 of 3: ")
    assert page.index(second) < page.index("&lt;!--")


def test_nothing_that_a_line_or_a_parameter_holds_becomes_markup(program, task):
    page = export(program, task)
    assert page.count("<script>") == page.count("</script>") == 1
    assert page.count("<main>") == page.count("</main>") == 1
    assert page.count("<pre>") == page.count("</pre>") == 2
    for character in "\0\r\x1b\x85\u2028\u2029\u202e\ufeff":
        assert character not in page
    assert "&lt;b&gt;&amp;<q>␛</q><q>U+202E</q>" in page


def test_what_a_page_cannot_hold_at_all_is_pictured_too():
    text = "a\0b\ud800c\r"
    assert pictured(text) == "a<q>␀</q>b<q>U+D800</q>c<q>␍</q>"


def test_an_escape_takes_little_room_and_is_all_there(program, task):
    page = export(program, task)
    assert "<s><q>␛</q>[31m</s>red<s><q>␛</q>[0m</s>" in page


def test_every_message_can_be_read_back_as_it_was(program, task):
    page = export(program, task)
    columns = int(re.search(r'data-columns="(\d+)"', page)[1])
    blocks = re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)
    rows = "".join(blocks).split("\n")[:-1]

    def back(row):
        row = re.sub(r"</?(?:b|em|i|s)>", "", row)[columns:]
        parts = re.split(r"<q>(.*?)</q>", row)
        return "".join(
            html.unescape(part) if number % 2 == 0 else character(part)
            for number, part in enumerate(parts)
        )

    def character(picture):
        code = int(picture[2:], 16) if len(picture) > 1 else ord(picture) - 0x2400
        return chr(code)

    assert [back(row) for row in rows][1:-1] == list(HOSTILE)


def test_the_digests_are_those_of_the_log_and_of_all_text(program, task):
    page = export(program, task)
    assert told(page, "log-digest") == task.log_sha256
    digest = hashlib.sha256(text_of(main_of(page)).encode()).hexdigest()
    assert told(page, "record-digest") == digest


def test_every_byte_is_signed(program, task):
    page = export(program, task)
    before, _mark, end = page.rpartition("<!-- signed: ")
    digest = hashlib.sha256(before.encode()).hexdigest()
    signature = end.removesuffix(" -->\n")
    assert is_signed(task.pk, digest, signature)
    assert not is_signed(TaskFactory().pk, digest, signature)


def test_only_its_own_script_and_style_may_run_wherever_it_is_opened(program, task):
    response = program.get(f"/api/tasks/{task.pk}/export.html")
    policy = response["Content-Security-Policy"]
    page = response.getvalue().decode()
    assert f'content="{html.escape(policy)}"' in page
    assert policy.startswith("default-src 'none'; ")
    for name in ("script", "style"):
        text = re.search(f"<{name}>(.*?)</{name}>", page, re.DOTALL)[1]
        digest = hashlib.sha256(text.encode()).digest()
        assert f"{name}-src 'sha256-{base64.b64encode(digest).decode()}'" in policy
    assert not re.search(r"\s(?:style|on\w+|src)=", page)


@pytest.mark.parametrize("status", ["pending", "running"])
def test_a_task_that_has_not_ended_is_refused(program, status):
    task = TaskFactory(status=status)
    response = program.get(f"/api/tasks/{task.pk}/export.html")
    problem = problem_of(response, 409)
    assert problem["type"].endswith(":status-conflict")
    assert problem["detail"].startswith("The task has not ended yet.")


def test_there_is_none_of_a_task_that_there_is_not(program, task):
    Task.objects.filter(pk=task.pk).delete()
    problem_of(program.get(f"/api/tasks/{task.pk}/export.html"), 404)


def test_the_audit_trail_is_shown_to_administrators_alone(person, task):
    record(Actor("carol", "10.0.0.7"), "pin", task.pk, type=task.type, note="</td>")
    for group, sees in (("viewer", False), ("operator", False), ("admin", True)):
        page = export(person(group), task)
        assert ("carol" in page) == ("10.0.0.7" in page) == sees, group
        assert ("Not included: only administrators" in page) == (not sees), group
    assert "&lt;/td&gt;" in page


@pytest.mark.parametrize(("scope", "sees"), [("read", False), ("admin", True)])
def test_so_it_is_to_keys(task, scope, sees):
    record(Actor("carol"), "pin", task.pk)
    key = ApiKeyFactory(name=f"key-{scope}", scope=scope)
    page = export(Client(headers={"X-API-Key": key.secret}), task)
    assert ("carol" in page) == sees


def test_secrets_are_masked(program, use_task_types):
    use_task_types(
        """
        [deploy]
        title = "Deploy"
        [deploy.params.token]
        secret = true
        [[deploy.steps]]
        name = "deploy"
        command = ["true", "{token}"]
        """
    )
    task = TaskFactory(status="completed", type="deploy", params={"token": "hunter2"})
    page = export(program, task)
    assert "hunter2" not in page
    assert "***" in page


def test_a_log_without_a_digest_says_so(program, task):
    Task.objects.filter(pk=task.pk).update(log_sha256="")
    assert told(export(program, task), "log-digest") == "–"


def test_a_task_without_lines_has_an_export_too(program):
    page = export(program, sealed(TaskFactory(status="cancelled", started_at=None)))
    assert rows_of(page) == []
    assert "✓ 0 lines" in page


def test_the_language_is_the_reader_s_to_its_last_piece(program, task):
    response = program.get(
        f"/api/tasks/{task.pk}/export.html", headers={"Accept-Language": "zh-Hans"}
    )
    translation.activate("en")  # as another request of the same thread would
    page = response.getvalue().decode()
    assert '<html lang="zh-hans">' in page
    assert "<h2>步骤</h2>" in page
    assert "<h3>Step" not in page


def test_rows_carry_the_day_where_a_task_ran_over_midnight(program):
    task = TaskFactory(status="completed")
    task.completed_at = task.started_at.replace(year=task.started_at.year + 1)
    write_log(task, "x")
    row = rows_of(export(program, sealed(task)))[0]
    assert row == "1  2025-11-26 12:00:00.001  stdout   x"


def test_blocks_are_bounded_in_rows_and_in_bytes(program, monkeypatch):
    monkeypatch.setattr(lines, "BLOCK_LINES", 3)
    monkeypatch.setattr(lines, "BLOCK_CHARACTERS", 1000)
    task = TaskFactory(status="completed")
    write_log(task, "a", "x" * 2000, *"bcde")
    page = export(program, sealed(task))
    blocks = re.findall(r"<pre[^>]*>.*?</pre>", page, re.DOTALL)
    assert [block.count("\n") for block in blocks] == [2, 3, 1]


def test_a_long_log_is_sent_in_the_memory_of_a_short_one(program):
    task = TaskFactory(status="completed")
    for _ in range(10):
        write_log(task, *["x" * 200] * 2_000)
    response = program.get(f"/api/tasks/{sealed(task).pk}/export.html")
    pieces = iter(response.streaming_content)
    next(pieces)
    tracemalloc.start()
    size = sum(map(len, pieces))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 4_000_000
    assert peak < 2_000_000
