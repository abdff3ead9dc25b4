"""Every way in which a log is read, and lines that are hard to store."""

from dataclasses import replace

from streaming import task_state
from tasks.logs import diff, pages
from tasks.logs import search as log_search
from tasks.logs import store as log_store
from tasks.models import Task
from tasks.presenters.export.lines import Rows
from tasks.presenters.export.lines import blocks as exported
from tasks.presenters.task import Shown
from tests.factories import NOON

ODD = [
    ("info", "Executing: ./match"),
    ("info", "::group::Bundle 1"),
    "Verified img/a.png",
    "verified IMG/B.PNG",
    ("stderr", "100% of 世界_ \\ '\""),
    ("info", "::endgroup::"),
    "",
    "ß SS ſ s K k ı I İ i é É",
    "two\nlines\r\nof\rone",
    "\x1b[31mred\x1b[0m \u2028 \ufeff 🎮",
    ("error", "c.png is missing"),
    ("info", "::GROUP::this is none"),
    ("stderr", "Traceback: it is here"),
    ("warning", "x" * 700),
]
FILTERS = [
    *(([], q) for q in ("", "VERIFIED", "100%", "_", "世界", "\\", "\n", '"')),
    *(([], q) for q in ("é", "É", "ı", "ss", "ß", "k", "K")),
    (["error"], ""),
    (["info", "stderr"], ""),
    (["info", "stderr"], "I"),
]
COUNT = 6 * len(ODD)


def of_pages(task):
    found, after = [], 0
    while not (page := pages.page_from(task, after)).is_last:
        found.append(page)
        after = page.upto
    return [*found, page]


def of_search(task, levels, q):
    found = log_search.matches(task.pk, 3, task.last_seq, levels, q)
    listed = log_store.page(task.pk, 3, 200, levels, q).lines
    assert found.line_count == len(listed)
    return found


def of_stream(task, after):
    """What a viewer gets who returns with this number as Last-Event-ID."""
    state = task_state.state_of(task)
    known = replace(state, last_seq=after)
    return task_state.new_lines(known, task.pk, task.last_seq)


def of_page(task):
    shown = Shown(task, NOON)
    return [(line.seq, line.at_ms, line.level, line.message) for line in shown.lines]


READERS = {
    "rows": lambda task: log_store.rows(task.pk, 0),
    "rows behind": lambda task: log_store.rows(task.pk, 13, 60, 30),
    "rows of the last": lambda task: log_store.rows(task.pk, COUNT - 1),
    "rows behind the end": lambda task: log_store.rows(task.pk, COUNT),
    "read": lambda task: log_store.read(task.pk, 5, 20),
    **{
        f"{most} bytes after {after}": lambda task, most=most, after=after: (
            log_store.rows_within(most, task.pk, after, None, 50)
        )
        for most in (1, 690, 3_000)
        for after in (0, 13)
    },
    **{
        f"page {after}-{upto} of {limit}, {levels} {q}": (
            lambda task, after=after, upto=upto, limit=limit, levels=levels, q=q: (
                log_store.page(task.pk, after, limit, levels, q, upto),
                log_store.page_before(task.pk, upto or COUNT + 1, limit, levels, q),
            )
        )
        for after, upto, limit in [(20, 70, 3), (0, 30, 200)]
        for levels, q in FILTERS
    },
    **{
        f"search {levels} {q}": lambda task, levels=levels, q=q: of_search(
            task, levels, q
        )
        for levels in ([], ["error"], ["stdout", "warning"])
        for q in ("", "verified", "É", "nowhere")
    },
    "landmarks": lambda task: log_search.landmarks(task, 0),
    "landmarks behind": lambda task: log_search.landmarks(task, 44),
    "samples": lambda task: log_store.samples(task.pk, task.last_seq),
    "times": lambda task: sorted(log_store.times(task.pk, [1, 8, 9, 83, 99]).items()),
    "newest": lambda task: log_store.newest(task.pk, task.last_seq, 20),
    "newest of few bytes": lambda task: log_store.newest_rows(
        task.pk, task.last_seq, 60, 900
    ),
    "newest before": lambda task: log_store.newest_rows(task.pk, 20, 200, 10**6),
    "text": lambda task: "".join(log_store.as_text(task.pk)),
    "digest": lambda task: log_store.sha256(task.pk),
    "cacheable pages": of_pages,
    "difference": lambda task: diff.difference_of(task, Task.objects.get(pk=task.pk)),
    "newest for a difference": lambda task: diff._newest(task),
    "export": lambda task: "".join(exported(task, Rows(task), {}, str)),
    "page of the task": of_page,
    **{
        f"stream after {after}": lambda task, after=after: of_stream(task, after)
        for after in (0, 1, 8, 12, 50, COUNT - 1, COUNT)
    },
}
