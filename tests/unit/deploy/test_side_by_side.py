"""Work in several threads: order, the first failure, and no work after it."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from pipeline.deploy.side_by_side import in_parallel
from pipeline.errors import IntegrityError


@pytest.mark.parametrize("jobs", [1, 2, 8])
def test_results_come_in_the_order_of_the_items(jobs: int):
    assert in_parallel(lambda item, _: item * 2, range(20), jobs=jobs) == [item * 2 for item in range(20)]


def test_nothing_to_do_is_nothing_done():
    assert in_parallel(lambda item, _: item, [], jobs=4) == []


def test_work_runs_side_by_side():
    meeting = threading.Barrier(2, timeout=30)  # each waits for the other
    assert sorted(in_parallel(lambda *_: meeting.wait(), range(2), jobs=2)) == [0, 1]


def test_a_failure_is_raised_and_ends_the_others():
    started = threading.Event()
    ended = threading.Event()

    def work(item: int, go_on) -> None:
        if item == 0:
            started.wait(30)
            raise IntegrityError("bad")
        started.set()
        try:
            while True:
                go_on()
        finally:
            ended.set()

    with pytest.raises(IntegrityError, match="bad"):
        in_parallel(work, range(2), jobs=2)
    assert ended.is_set()


def test_an_interruption_is_raised_when_every_piece_of_work_has_ended():
    both_work = threading.Barrier(2)
    working: list[int] = []

    def work(item: int, go_on) -> None:
        working.append(item)
        if both_work.wait(30) == 0:
            os.kill(os.getpid(), signal.SIGINT)
        try:
            while True:
                time.sleep(0.02)  # a piece of work that does not ask
                go_on()
        finally:
            working.remove(item)

    told: list[list[int]] = []
    with pytest.raises(KeyboardInterrupt):
        in_parallel(work, range(2), jobs=2, stopping=lambda: told.append(sorted(working)))
    assert working == []
    assert len(told) == 1
