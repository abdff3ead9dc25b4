"""Two pipes read in the order in which they were written to."""

import fcntl
import os
import struct
import termios
import threading
import time
from contextlib import contextmanager, suppress

import pytest
from django.db import connection, transaction

from tasks.logs import store as log_store
from tasks.logs.table import TABLE
from tasks.models import Task
from tasks.runner.output import pipes as pipes_module
from tasks.runner.output.pipes import OrderedPipes, Pipes
from tasks.runner.process import is_readable
from tests.factories import TaskFactory
from tests.tasks.runner.test_loop import (  # noqa: F401
    beat,
    ended,
    lines_table,
    messages,
    new_runner,
    work,
)

ROUNDS = 200
# Writes to both in turn, to each only when what was in it has been read.
IN_TURN = f"""
[in-turn]
[[in-turn.steps]]
command = ["{{python}}", "-c", '''
import fcntl, os, pathlib, struct, sys, termios, time
def is_empty(fd):
    return fcntl.ioctl(fd, termios.FIONREAD, bytes(4)) == bytes(4)
print("ready", flush=True)
while not os.path.exists(sys.argv[1] + ".locked"):
    time.sleep(0.01)
while not is_empty(1):
    time.sleep(0.001)
for number in range({ROUNDS}):
    while not is_empty(1 + number % 2):
        time.sleep(0.0001)
    os.write(1 + number % 2, b"%d\\n" % number)
# Its own clock: the time of a file is the kernel's last tick, up to 10 ms ago.
done = pathlib.Path(sys.argv[1] + ".half")
done.write_text(str(time.time_ns() // 1_000_000))
done.rename(sys.argv[1] + ".done")
''', "{{place}}"]
[in-turn.params.place]
"""


@pytest.fixture(params=[Pipes, OrderedPipes])
def any_pipes(request):
    pipes = request.param()
    yield pipes
    pipes.close()


@pytest.fixture
def pipes():
    pipes = OrderedPipes()
    yield pipes
    pipes.close()


@pytest.fixture
def pair():
    """Two pipes: their ends to read, and to write."""
    (out, to_out), (err, to_err) = os.pipe(), os.pipe()
    yield (out, err), (to_out, to_err)
    for fd in (out, err, to_out, to_err):
        with suppress(OSError):
            os.close(fd)


def size_in(fd):
    """How many bytes a pipe holds."""
    (size,) = struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, bytes(4)))
    return size


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.001)


def write_in_turn(pair, count):
    """Numbers, to each pipe only when the one before it there has been read."""
    reading, writing = pair
    for number in range(count):
        until(lambda fd=reading[number % 2]: size_in(fd) == 0)
        os.write(writing[number % 2], b"%d\n" % number)


def numbers_of(pieces):
    return [int(text) for piece in pieces for text in piece.data.split()]


# --- While the loop waits -----------------------------------------------------------


def test_what_is_written_to_two_pipes_in_turn_is_read_in_that_order(pipes, pair):
    pipes.watch(*pair[0])
    with pipes.meanwhile():
        write_in_turn(pair, ROUNDS)
    pieces = pipes.pieces()
    assert numbers_of(pieces) == list(range(ROUNDS))
    assert [piece.fd for piece in pieces] == [*pair[0]] * (ROUNDS // 2)
    assert pipes.pieces() == pipes.ready() == []


def test_one_wait_after_the_other_starts_anew(pipes, pair):
    pipes.watch(*pair[0])
    for count in range(100):
        with pipes.meanwhile():
            write_in_turn(pair, count % 5)
        assert numbers_of(pipes.pieces()) == list(range(count % 5))


def test_a_flood_of_one_pipe_is_read_once(pipes, pair):
    pipes.watch(*pair[0])
    with pipes.meanwhile():
        for _ in range(100):
            os.write(pair[1][0], b"line\n")
    assert [piece.data for piece in pipes.pieces()] == [b"line\n" * 100]


def test_outside_of_a_wait_the_thread_reads_nothing(pipes, pair):
    pipes.watch(*pair[0])
    with pipes.meanwhile():
        pass
    for fd in (*pair[1], *pair[1]):
        os.write(fd, b"line\n")
    assert pipes.ready() == [*pair[0]]
    assert pipes.pieces() == []
    assert size_in(pair[0][0]) == size_in(pair[0][1]) == 10


def test_a_pipe_alone_is_read_when_the_wait_is_over(pipes, pair):
    pipes.watch(pair[0][0])
    with pipes.meanwhile():
        os.write(pair[1][0], b"line\n")
        until(lambda: pair[0][0] in pipes._first)
        os.write(pair[1][0], b"line\n")
    ((fd, data, at_ms),) = pipes.pieces()
    assert (fd, data) == (pair[0][0], b"line\nline\n")
    assert abs(at_ms / 1000 - time.time()) < 60


def test_the_ends_of_both_pipes_are_left_to_the_loop(pipes, pair):
    pipes.watch(*pair[0])
    with pipes.meanwhile():
        write_in_turn(pair, 3)
        for fd in pair[1]:
            os.close(fd)
        until(lambda: len(pipes._first) == 2)
    assert numbers_of(pipes.pieces()) == [0, 1, 2]
    assert sorted(pipes.ready()) == [*pair[0]]
    assert os.read(pair[0][0], 100) == os.read(pair[0][1], 100) == b""


def test_beyond_a_limit_the_programs_wait(pipes, pair, monkeypatch):
    monkeypatch.setattr(pipes_module, "MOST_BYTES", 0)
    pipes.watch(*pair[0])
    with pipes.meanwhile():
        for fd in (*pair[1], *pair[1]):
            os.write(fd, b"line\n")
    assert pipes.pieces() == []
    assert pipes.ready() == [*pair[0]]


def test_its_thread_ends_with_it(pair):
    pipes = OrderedPipes()
    pipes.watch(*pair[0])
    with pipes.meanwhile():
        pass
    pipes.close()
    assert not pipes._thread.is_alive()


# --- In the loop --------------------------------------------------------------------


def test_pipes_that_have_something_are_ready_until_they_are_read(any_pipes, pair):
    any_pipes.watch(*pair[0])
    assert not is_readable(any_pipes.fileno())
    assert any_pipes.ready() == []
    os.write(pair[1][1], b"0\n")
    assert is_readable(any_pipes.fileno())
    assert any_pipes.ready() == [pair[0][1]]
    assert os.read(pair[0][1], 1) == b"0"
    any_pipes.done(pair[0][1])
    assert any_pipes.ready() == [pair[0][1]]
    assert os.read(pair[0][1], 1) == b"\n"
    any_pipes.done(pair[0][1])
    assert not is_readable(any_pipes.fileno())
    assert any_pipes.ready() == []


def test_pipes_are_ready_in_the_order_in_which_they_got_something(pipes, pair):
    (out, err), (to_out, to_err) = pair
    pipes.watch(out, err)
    for first, second in ((0, 1), (1, 0), (1, 0), (0, 1)):
        os.write((to_out, to_err)[first], b"0\n")
        os.write((to_out, to_err)[second], b"1\n")
        ready = pipes.ready()
        assert ready == [(out, err)[first], (out, err)[second]]
        for fd in ready:
            os.read(fd, 100)
            pipes.done(fd)


def test_a_pipe_that_gets_more_while_it_is_read_comes_behind_the_other(pipes, pair):
    (out, err), (to_out, to_err) = pair
    pipes.watch(out, err)
    os.write(to_out, b"0\n")
    assert pipes.ready() == [out]
    os.read(out, 100)
    os.write(to_err, b"1\n")
    os.write(to_out, b"2\n")
    pipes.done(out)
    assert pipes.ready() == [err, out]


def test_what_comes_while_a_piece_is_processed_keeps_its_order(pipes, pair):
    (out, err), (to_out, to_err) = pair
    pipes.watch(out, err)
    os.write(to_out, b"0\n")
    assert pipes.ready() == [out]
    piece = pipes.take(out)
    assert (piece.fd, piece.data) == (out, b"0\n")
    os.write(to_out, b"1\n")
    os.write(to_err, b"2\n")
    assert pipes.ready() == [out, err]


def test_an_end_is_left_to_whoever_reads(any_pipes, pair):
    any_pipes.watch(*pair[0])
    os.close(pair[1][0])
    assert any_pipes.ready() == [pair[0][0]]
    assert any_pipes.take(pair[0][0]) is None
    any_pipes.done(pair[0][0])
    assert any_pipes.ready() == [pair[0][0]]


def test_pipes_that_are_forgotten_are_left_alone(any_pipes, pair):
    (out, err), (to_out, to_err) = pair
    any_pipes.watch(out, err)
    any_pipes.forget(out)
    any_pipes.forget(out)
    os.write(to_out, b"0\n")
    os.write(to_err, b"1\n")
    assert any_pipes.ready() == [err]
    os.close(err)
    any_pipes.forget(err)
    assert any_pipes.ready() == []


def test_a_pipe_whose_other_one_has_ended_is_read_as_before(pipes, pair):
    pipes.watch(*pair[0])
    pipes.forget(pair[0][0])
    with pipes.meanwhile():
        os.write(pair[1][1], b"0\n")
        os.write(pair[1][0], b"1\n")
    assert numbers_of(pipes.pieces()) == [0]
    assert size_in(pair[0][0]) == 2


# --- In a runner --------------------------------------------------------------------


@pytest.fixture
def in_turn(new_runner, use_task_types, tmp_path):  # noqa: F811
    """A runner, its task that is ready to write to both pipes in turn, and the place
    of the files by which that is told to begin, and tells that it is done."""
    use_task_types(IN_TURN)
    place = tmp_path / "place"
    task = TaskFactory(type="in-turn", params={"place": str(place)})
    runner = new_runner()
    work(runner, lambda: "ready" in messages(task))
    return runner, task, place


def assert_in_turn(task):
    assert task.status == "completed", task.error
    said = [message for message in messages(task) if message.isdecimal()]
    assert said == [str(number) for number in range(ROUNDS)]


@contextmanager
def waiting_for(place, verb="INSERT", table=TABLE):
    """Let nothing of this kind be written from now on until the program is done; tells
    the program that it is so."""
    locked, done = place.with_suffix(".locked"), place.with_suffix(".done")
    if connection.vendor == "postgresql":
        locking = threading.Thread(target=lock, args=[table, locked, done])
        locking.start()
        until(locked.exists)
        yield
        locking.join()
        return

    def wait():
        locked.touch()
        until(done.exists)

    connection.connection.create_function("wait_for_program", 0, wait)
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TEMP TRIGGER slow BEFORE {verb} ON {table} "
            "BEGIN SELECT wait_for_program(); END"
        )
        locked.touch()
        yield
        cursor.execute("DROP TRIGGER slow")


def lock(table, locked, done):
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {table}")
            locked.touch()
            until(done.exists)
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_stdout_and_stderr_keep_their_order_while_a_line_waits_to_be_stored(
    in_turn,
):
    runner, task, place = in_turn
    with waiting_for(place):
        work(runner, ended(task))
    assert_in_turn(task)
    done_ms = int(place.with_suffix(".done").read_text())
    middle = log_store.read(task.pk, 0)[ROUNDS // 2]
    assert middle.at_ms <= done_ms, "a line has the time when it was read"


@pytest.mark.django_db(transaction=True)
def test_stdout_and_stderr_keep_their_order_while_no_line_can_be_stored(
    in_turn,
    lines_table,  # noqa: F811
):
    runner, task, place = in_turn
    lines_table.take_away()
    place.with_suffix(".locked").touch()
    work(runner, place.with_suffix(".done").exists)
    lines_table.bring_back()
    work(runner, ended(task))
    assert_in_turn(task)


FIRST_WORD = """
[first-word]
[[first-word.steps]]
command = ["sh", "-c", '''
until test -e $0.locked; do sleep 0.01; done
echo one
touch $0.done
exec sleep 1000
''', "{place}"]
[first-word.params.place]
"""


@pytest.mark.django_db(transaction=True)
def test_a_first_line_that_came_while_others_were_stored_goes_out_at_once(
    new_runner,  # noqa: F811
    use_task_types,
    tmp_path,
):
    use_task_types(FIRST_WORD)
    place = tmp_path / "place"
    task = TaskFactory(type="first-word", params={"place": str(place)})
    runner = new_runner()
    assert runner.claim()
    with waiting_for(place):
        runner.flush()
    assert messages(task)[-1].startswith("Executing: ")
    runner._flush_if_due()
    assert messages(task)[-1] == "one"


@pytest.mark.django_db(transaction=True)
def test_what_was_read_of_a_task_that_is_not_the_runners_any_more_harms_nobody(in_turn):
    runner, task, place = in_turn
    Task.objects.filter(pk=task.pk).update(runner=None)
    with waiting_for(place, "UPDATE", "tasks_runner"):
        beat(runner)
    assert place.with_suffix(".done").exists()
    assert not runner.runs
    after = TaskFactory(type="in-turn", params={"place": str(place)})
    work(runner, ended(after))
    assert after.status == "completed"
