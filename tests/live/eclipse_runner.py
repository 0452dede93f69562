"""Runs Eclipse's MQTT 3.1.1 interoperability tests in a process of their own, and prints what became of each.

They are written as a script: topics and the broker's address are globals that its main part sets, and a failure is told
by printed traces. This does what that part does, with credentials, for they know of none.

    python eclipse_runner.py FOLDER PORT < credentials
"""

from __future__ import annotations

import functools
import importlib
import json
import logging
import sys
import unittest
from pathlib import Path

TOPICS = ("TopicA", "TopicA/B", "Topic/C", "TopicA/C", "/TopicA")
WILD_TOPICS = ("TopicA/+", "+/C", "#", "/#", "/+", "+/+", "TopicA/#")
NO_SUBSCRIBE = ("$share/any/TopicA",)
"""A filter that the broker refuses; which one is a setting of these tests."""


class Outcome(unittest.TestResult):
    """Keeps the names of those that passed, too."""

    def __init__(self) -> None:
        super().__init__()
        self.passed: dict[str, bool] = {}

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's name
        name = test.id().rpartition(".")[2]
        self.passed[name] = all(test is not failed for failed, _ in (*self.failures, *self.errors))
        super().stopTest(test)


def main(folder: str, port: str, user: str, password: str) -> int:
    sys.path.insert(0, str(Path(folder, "interoperability")))
    tests = importlib.import_module("client_test")
    client = importlib.import_module("mqtt.clients.V311").Client
    if user:
        client.connect = functools.partialmethod(client.connect, username=user, password=password.encode())
    vars(tests).update(
        host="127.0.0.1", port=int(port), topics=TOPICS, wildtopics=WILD_TOPICS, nosubscribe_topics=NO_SUBSCRIBE
    )
    logging.getLogger().setLevel(logging.ERROR)
    names = [name for name in vars(tests.Test) if name.startswith("test") or name.endswith("_test")]
    outcome = Outcome()
    # Some print what went wrong, and their results are read from the same place: theirs goes to standard error.
    printed, sys.stdout = sys.stdout, sys.stderr
    unittest.TestSuite(tests.Test(name) for name in sorted(names)).run(outcome)
    for _, trace in (*outcome.failures, *outcome.errors):
        sys.stderr.write(trace)
    json.dump(outcome.passed, printed)
    return 0


if __name__ == "__main__":
    words = sys.stdin.read().split("\n")
    sys.exit(main(*sys.argv[1:3], *(words[:2] if len(words) > 1 else ("", ""))))
