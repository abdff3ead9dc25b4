"""Progress as a program reads it."""

import pytest

from resources import report
from resources.report import Report


def progress(capsys, interval, monkeypatch):
    monkeypatch.setattr(report, "PROGRESS_INTERVAL", interval)
    reporting = Report(progress=True, outputs=False)
    reporting.expect(200)
    for _ in range(20):
        reporting.advance(10)
    return [int(line[12:]) for line in capsys.readouterr().out.splitlines()]


def test_it_rises_and_the_end_is_left_to_the_exit_code(capsys, monkeypatch):
    assert progress(capsys, 0, monkeypatch) == list(range(5, 100, 5))


def test_work_that_takes_less_than_the_interval_has_none(capsys, monkeypatch):
    assert progress(capsys, 3600, monkeypatch) == []


@pytest.mark.parametrize("total", [0, 1])
def test_little_work_is_no_error(capsys, total):
    reporting = Report(progress=True, outputs=False)
    reporting.expect(total)
    reporting.advance(total)
    assert capsys.readouterr().out == ""
