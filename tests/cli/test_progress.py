"""Progress: silent for a second, silent into a pipe, gone at the end."""

import io

import pytest
from netmodel.cli import progress as room
from netmodel.cli.progress import progress


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        """Say yes."""
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""
    now = [0.0]
    monkeypatch.setattr(room.time, "monotonic", lambda: now[0])
    return now


def test_nothing_is_said_in_the_first_second(monkeypatch, clock):
    stream = Terminal()
    monkeypatch.setattr(room.sys, "stderr", stream)
    with progress("sizes") as report:
        clock[0] = 0.9
        report(1, 9)
    assert stream.getvalue() == ""


def test_past_a_second_it_says_how_far_and_cleans_up(monkeypatch, clock):
    stream = Terminal()
    monkeypatch.setattr(room.sys, "stderr", stream)
    with progress("sizes") as report:
        clock[0] = 1.5
        report(4, 9)
    assert stream.getvalue() == "\r\x1b[2K4 of 9 sizes\r\x1b[2K"


def test_into_a_pipe_it_is_silent(monkeypatch):
    monkeypatch.setattr(room.sys, "stderr", io.StringIO())
    with progress("sizes") as report:
        assert report is None
