"""Logs are packed while a product runs: no reader notices, and no kill loses a line."""

import json
import threading

import pytest

from .conftest import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]

LINES = 7_000
BLOCKS = "from tasks.models import LogBlock, LogLine\nprint({})"

# Packs, each time until one more statement is to come than the time before.
KILLED = """
import os, signal
from django.db import connection
from django.utils import timezone
from tasks.logs.packing import pack
for moment in range(1, 20):
    connection.close()
    child = os.fork()
    if not child:
        seen = []
        def killed(execute, sql, params, many, context):
            seen.append(sql)
            if len(seen) == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            return execute(sql, params, many, context)
        with connection.execute_wrapper(killed):
            list(pack(timezone.now()))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.fixture
def ended(new_service):
    """A product with a task of some thousand lines that has ended."""
    service = new_service().run()
    task = service.create("count", n=str(LINES))
    assert service.wait_for(task)["status"] == "completed"
    return service, task


def asked(service, expression):
    code = BLOCKS.format(expression)
    return int(service.manage("shell", "-v0", "-c", code).stdout)


def answers(service, task):
    """What a viewer gets from several places on, and what a cache keeps."""
    found = {}
    for last in ("", "1", "1999", "2000", "2001", str(LINES - 1)):
        headers = {"Last-Event-ID": last} if last else {}
        found[f"stream {last}"] = service.events(task, **headers)
    found["tail"] = service.events(task, "?tail=700")
    for offset in ("-1", f"{2000:016}", f"{5500:016}"):
        page = service.request("GET", f"/api/tasks/{task}/log?offset={offset}")
        tags = page.headers["ETag"], page.headers["Stream-Next-Offset"]
        found[f"page {offset}"] = (*tags, page.headers["Cache-Control"], page.text)
    text = service.request("GET", f"/api/tasks/{task}/logs.txt").text
    return {**found, "text": text, "lines": service.lines(task)}


def test_viewers_that_come_or_return_get_the_same_of_a_packed_log(ended):
    service, task = ended
    before = answers(service, task)
    told = json.loads(service.manage("pack_tasks", "--all", "--json").stdout)
    assert told["lines"] == LINES + 2
    assert asked(service, "LogLine.objects.count()") == 0
    after = answers(service, task)
    for name, answer in before.items():
        assert after[name] == answer, name
    [*_, end] = after["stream 2000"]
    assert (end["type"], end["logCount"]) == ("end", LINES + 2)


def test_whoever_packs_may_be_killed_at_any_moment(ended):
    service, task = ended
    expected = service.lines(task)
    wrong, is_over = [], threading.Event()

    def read_on():
        while not is_over.is_set():
            if service.lines(task) != expected:
                wrong.append("a line was lost, or doubled")

    reader = threading.Thread(target=read_on)
    reader.start()
    try:
        said = service.manage("shell", "-v0", "-c", KILLED, cwd=ROOT).stdout.split()
        assert said.count("-9") > 8, said
        service.manage("pack_tasks", "--all")
    finally:
        is_over.set()
        reader.join()
    assert not wrong
    assert asked(service, "LogLine.objects.count()") == 0
    assert service.lines(task) == expected
