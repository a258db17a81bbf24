"""Results come in order whatever the number of processes, and nothing is left behind when one dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from spanline.common.errors import SpanlineError
from spanline.featurize.processes import in_order, num_processes
from tests.paths import ROOT


def square() -> Callable[[int], int]:
    return lambda number: number * number


def failing_at(bad: int) -> Callable[[int], int]:
    def work(number: int) -> int:
        if number == bad:
            raise SpanlineError("here", f"{number} is bad", "take another")
        return number

    return work


def killed_at(bad: int) -> Callable[[int], int]:
    def work(number: int) -> int:
        if number == bad:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    return work


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_results_in_order(processes: int) -> None:
    assert list(in_order(square, range(20), processes)) == [number * number for number in range(20)]
    assert list(in_order(square, [], processes)) == []


def test_items_are_taken_as_they_are_needed() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = in_order(square, items(), 2)
    assert next(results) == 0
    assert len(taken) <= 5
    results.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_comes_whole_and_in_its_turn(processes: int) -> None:
    results = in_order(partial(failing_at, 3), range(10), processes)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(SpanlineError, match=r"^here: 3 is bad; take another$") as caught:
        next(results)
    assert (caught.value.where, caught.value.what, caught.value.todo) == ("here", "3 is bad", "take another")


def test_a_killed_worker_is_one_line() -> None:
    line = r"^runtime\.workers: a worker process was killed, perhaps for want of memory; choose fewer than 2$"
    with pytest.raises(SpanlineError, match=line):
        list(in_order(partial(killed_at, 3), range(10), 2))


@pytest.mark.parametrize(("wanted", "items", "expected"), [(3, 100, 3), (3, 9, 2), (3, 7, 1), (1, 10, 1), (4, 0, 1)])
def test_the_number_of_processes(wanted: int, items: int, expected: int) -> None:
    assert num_processes(wanted, items) == expected


def test_none_wanted_is_one_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 5})
    assert num_processes(0, 100) == 3


def test_workers_end_with_a_parent_that_is_killed() -> None:
    code = "import os\nfrom tests.make.workers import said\n"
    code += "from spanline.featurize.processes import in_order\n"
    code += "for _ in in_order(said, range(10**9), 2): pass"
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        parent.kill()
        parent.communicate(timeout=60)  # returns when the last writer is gone
    assert parent.returncode == -signal.SIGKILL
