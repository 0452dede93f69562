"""A live test is played again only if the machine stood still, and only once."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

CONFTEST = """
from tests.conftest import pytest_terminal_summary
from tests.live.pauses import pytest_runtest_protocol
"""
TESTS = """
from tests.live.pauses import WATCH

runs = []

def test_one():
    runs.append(1)
    WATCH.longest_s = {stood_still_s}
    assert len(runs) >= {passes_at}
"""


@pytest.mark.parametrize(
    ("stood_still_s", "passes_at", "passed", "again"),
    [(0.0, 1, 1, 0), (9.0, 1, 1, 0), (0.0, 2, 0, 0), (9.0, 2, 1, 1), (9.0, 3, 0, 1)],
    ids=["sound", "sound on a slow machine", "broken", "failed by the machine", "broken on a slow machine"],
)
def test_a_failure_counts_unless_the_machine_stood_still(
    pytester: pytest.Pytester, stood_still_s: float, passes_at: int, passed: int, again: int
) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TESTS.format(stood_still_s=stood_still_s, passes_at=passes_at))
    ended = pytester.runpytest("-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function")
    ended.assert_outcomes(passed=passed, failed=1 - passed)
    assert sum(line.endswith("::test_one: 9.0 s") for line in ended.outlines) == again
