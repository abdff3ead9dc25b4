"""Any interleaving of lines, news, joins, pauses and drops delivers each line once.

Hub, reader, clients and database are the real ones; the test takes the place of the
event loop and of the network, so that it decides what happens when.
"""

import json
from collections import deque

import pytest
from django.utils import timezone
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    multiple,
    rule,
    run_state_machine_as_test,
)

from streaming import hub as hub_module
from streaming import task_state as states
from streaming.handshake import Admitted
from streaming.hub import Hub
from streaming.stream import Client
from streaming.task_state import version_of_newcomer
from tasks.logs import store as log_store
from tasks.models import LogLine, Task
from tasks.notifications import EVERYTHING
from tests.factories import TaskFactory, write_log

ORDER = ["pending", "running", "completed"]  # in an attempt


class SteppedLoop:
    """An event loop that runs what it was given when the test says so."""

    def __init__(self):
        self.ready = deque()

    def call_soon_threadsafe(self, call, *args):
        self.ready.append((call, args))

    def run(self, count=None):
        while self.ready and count != 0:
            call, args = self.ready.popleft()
            call(*args)
            count = None if count is None else count - 1

    def time(self):
        return 0.0

    def call_later(self, seconds, call):
        return self

    def cancel(self):
        """As a timer: no keep-alive is due in a test that takes no time."""


class Wire:
    """A connection that takes so many writes, and is then full until it is read."""

    def __init__(self):
        self.room = None  # no limit
        self.events = []
        self.is_closed = self.is_aborted = False

    @property
    def is_full(self):
        return self.room == 0

    def write(self, data):
        assert not self.is_full, "written to a client that is full"
        assert not self.is_closed, "written after the end"
        if self.room is not None:
            self.room -= 1
        for block in data.decode().split("\n\n")[:-1]:
            self.events.append(json.loads(block.rpartition("data: ")[2]))

    def finish(self):
        self.is_closed = True

    def abort(self):
        self.is_closed = self.is_aborted = True


class Watcher:
    """A client, what it was told on joining, and what it has got since."""

    def __init__(self, hub, admitted):
        self.start = admitted.cursor
        self.wire = Wire()
        self.client = Client(hub, admitted, self.wire)
        hub.join(self.client)

    @property
    def seqs(self):
        return [e["log"]["seq"] for e in self.wire.events if e["type"] == "log"]

    def give_room(self, room):
        was_full = self.wire.is_full
        self.wire.room = room
        if was_full and room != 0:
            self.client.advance()


class Story(RuleBasedStateMachine):
    watchers = Bundle("watchers")
    letters = Bundle("letters")  # of admission, not used yet

    @initialize()
    def begin(self):
        self.task = TaskFactory(status="running", trail=[[0, 1, "a", 0]], step_index=1)
        self.loop = SteppedLoop()
        self.hub = Hub(self.loop)
        self.watching = []
        self.news = {}
        self.printed = []  # of which a crash may have taken the last ones back

    # --- The task -------------------------------------------------------------------

    @rule(count=st.sampled_from([1, 2, 3, 7, 30]), is_heard=st.booleans())
    def print_lines(self, count, is_heard):
        if self.task.status == "running":
            self.printed += [f"版本 {len(self.printed) + n}" for n in range(count)]
            write_log(self.task, *self.printed[self.task.last_seq :])
            if is_heard and self.news.get(str(self.task.pk), 0) is not None:
                self.news[str(self.task.pk)] = self.task.last_seq

    @rule(count=st.sampled_from([1, 2, 9]), is_between=st.booleans())
    def crash(self, count, is_between):
        """The database takes lines back, perhaps between the news of them and the
        reader's look; the runner will store them again."""
        if self.task.status != "running":
            return
        if is_between:
            self.loop.run()
            self.print_lines(count, is_heard=True)
        self.task.last_seq = max(0, self.task.last_seq - count)
        lines = LogLine.objects.filter(task=self.task)
        lines.filter(seq__gt=self.task.last_seq).delete()
        self.task.save()
        if is_between:
            self.hear()

    @rule(is_heard=st.booleans())
    def make_progress(self, is_heard):
        if self.task.status == "running":
            self.store_again()
            self.task.progress = min(99, self.task.progress + 1)
            change = [self.task.last_seq, 1, "a", self.task.progress]
            self.task.trail = [*self.task.trail, change]
            self.change(is_heard)

    @rule(is_heard=st.booleans())
    def go_back_to_the_queue(self, is_heard):
        """Its runner is dead, and it may run once more."""
        if self.task.status == "running" and self.task.attempt == 1:
            self.store_again()
            self.printed.append("The task goes back to the queue.")
            self.store_again()
            self.task.status, self.task.attempt = "pending", 2
            self.task.step_index = 0
            self.change(is_heard)

    @rule(is_heard=st.booleans())
    def start_again(self, is_heard):
        if self.task.status == "pending":
            self.task.status, self.task.step_index = "running", 1
            change = [self.task.last_seq, 1, "a", self.task.progress]
            self.task.trail = [*self.task.trail, change]
            self.change(is_heard)

    @rule(is_heard=st.booleans(), dice=st.integers(0, 9))
    def end(self, is_heard, dice=9):
        """Seldom: afterwards there is less to go wrong."""
        if not self.task.has_ended and dice == 9:
            self.store_again()
            self.task.status, self.task.completed_at = "completed", timezone.now()
            self.task.log_sha256 = log_store.sha256(self.task.pk)
            self.change(is_heard)

    def store_again(self):
        write_log(self.task, *self.printed[self.task.last_seq :])

    def change(self, is_heard):
        self.task.save()
        if is_heard:
            self.news[str(self.task.pk)] = None

    # --- The reader and the loop ----------------------------------------------------

    @rule()
    def hear(self):
        news, self.news = self.news, {}
        self.hub.reader.work(news)

    @rule()
    def sweep(self):
        self.hub.reader.work({EVERYTHING: None})

    @rule(count=st.integers(1, 3))
    def run_loop(self, count):
        self.loop.run(count)

    # --- The clients ----------------------------------------------------------------

    @rule(target=letters, tail=st.sampled_from([None, 0, 1, 9]))
    def admit(self, tail):
        task = Task.objects.get(pk=self.task.pk)
        cursor = 0 if tail is None else max(0, task.last_seq - tail)
        return Admitted(task.pk, cursor, version_of_newcomer(task), b"")

    @rule(target=watchers, letter=consumes(letters), room=st.sampled_from([None, 1]))
    def join(self, letter, room):
        watcher = Watcher(self.hub, letter)
        watcher.wire.room = room
        self.watching.append(watcher)
        return watcher

    @rule(watcher=watchers, room=st.sampled_from([None, 0, 1, 2]))
    def give_room(self, watcher, room):
        if watcher in self.watching:
            watcher.give_room(room)

    @rule(target=letters, watcher=consumes(watchers))
    def drop_and_return(self, watcher):
        """Come back with the last id, as an EventSource does."""
        if watcher not in self.watching or watcher.wire.is_closed:
            return multiple()
        self.watching.remove(watcher)
        watcher.client.leave()
        self.check(watcher)
        task = Task.objects.get(pk=self.task.pk)
        cursor = watcher.seqs[-1] if watcher.seqs else watcher.start
        if cursor > task.last_seq:
            return multiple()  # such an id is refused until the lines are back
        return Admitted(task.pk, cursor, version_of_newcomer(task), b"")

    # --- What has to hold -----------------------------------------------------------

    def check(self, watcher):
        first = watcher.start + 1
        seqs = watcher.seqs
        assert seqs == list(range(first, first + len(seqs)))
        lines = [e["log"] for e in watcher.wire.events if e["type"] == "log"]
        assert all(x["message"] == self.printed[x["seq"] - 1] for x in lines)
        progress = [
            e["task"]["progress"] for e in watcher.wire.events if e["type"] == "update"
        ]
        assert progress == sorted(progress)
        statuses = [
            (e["task"]["attempt"], ORDER.index(e["task"]["status"]))
            for e in watcher.wire.events
            if e["type"] == "update"
        ]
        assert statuses == sorted(statuses)

    def teardown(self):
        if not hasattr(self, "hub"):
            return
        self.end(is_heard=False)
        for watcher in self.watching:
            watcher.give_room(None)
        self.run_until_all_have_the_end()
        self.join(self.admit(tail=None), room=None)  # when all is known already
        self.run_until_all_have_the_end()
        for watcher in self.watching:
            self.check(watcher)
            watcher.client.leave()
            *_, update, end = watcher.wire.events
            assert (update["type"], end["type"]) == ("update", "end")
            assert update["task"]["status"] == "completed"
            assert len(watcher.seqs) == self.task.last_seq - watcher.start
            assert end["logCount"] == self.task.last_seq
            assert end["logSha256"] == self.task.log_sha256
        self.hub.reader.close()

    def run_until_all_have_the_end(self):
        for _ in range(1000):
            if all(watcher.wire.is_closed for watcher in self.watching):
                return
            self.hub.reader.work({EVERYTHING: None})
            self.loop.run()


@pytest.mark.django_db
def test_any_interleaving_delivers_each_line_once(monkeypatch):
    # Small, so that few lines cross the edges of pages, batches and rests.
    monkeypatch.setattr(hub_module, "PAGE_LINES", 4)
    monkeypatch.setattr(hub_module, "CROWD_SECONDS", 0.0)
    monkeypatch.setattr(states, "LIVE_LINES", 10)
    run_state_machine_as_test(
        Story,
        settings=settings(max_examples=150, stateful_step_count=60, deadline=None),
    )
