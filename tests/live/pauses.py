"""Tests on the wall clock, and machines that stand still.

A virtual machine whose host takes its cores for half a second makes clients miss their time, and says nothing about
them. A test that fails while that happened is played again, once, and the end of the session says so. One that fails on
a machine that goes on has failed, and so has one that fails twice.
"""

from __future__ import annotations

import threading
import time

import pytest
from _pytest.runner import runtestprotocol

LOOK_S = 0.05
LONG_S = 0.25
"""What speeds and bounds of live tests do not stand."""
PROPERTY = "stood still"


class Watch:
    """For how long this process did not run at a time, at most.

    Attributes:
        longest_s: since it was last set to 0.
    """

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._thread: threading.Thread | None = None
        self._never = threading.Event()

    def begin(self) -> None:
        """Look from now on, until the process ends; and forget what was."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._look, name="watch", daemon=True)
            self._thread.start()
        self.longest_s = 0.0

    def _look(self) -> None:
        before_s = time.monotonic()
        while not self._never.wait(LOOK_S):
            now_s = time.monotonic()
            self.longest_s = max(self.longest_s, now_s - before_s - LOOK_S)
            before_s = now_s


WATCH = Watch()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """Play a test, and once more if it failed while the machine stood still."""
    where = {"nodeid": item.nodeid, "location": item.location}
    item.ihook.pytest_runtest_logstart(**where)
    WATCH.begin()
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    if any(report.failed for report in reports) and WATCH.longest_s >= LONG_S:
        item.user_properties.append((PROPERTY, f"{WATCH.longest_s:.1f} s"))
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(**where)
    return True


def told(reports: list[pytest.TestReport]) -> list[str]:
    """A line for each test that was played again."""
    found = ((report, dict(report.user_properties)) for report in reports if report.when == "call")
    return [f"{report.nodeid}: {said[PROPERTY]}" for report, said in found if PROPERTY in said]
