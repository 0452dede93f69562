"""`run --metrics`: the run as OpenMetrics text for a Prometheus, while it goes on.

A sink that remembers the newest second, and a small HTTP server on this machine that tells it. Names follow the
OpenMetrics 1.0 specification: counters end in ``_total``, the text in ``# EOF``.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from twinstorm.scenarios.engine.errors import Unavailable
from twinstorm.scenarios.result import EventRow, PaneRow, RunResult

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
MOST_SERIES = 100
"""Sets of labels of one metric. Events that come after them count together, as ``other``; objectives are left out, for
no sum of them means anything, and are counted in ``twinstorm_dropped_series``."""
OTHER = "other"

_GAUGES = ("online", "queue", "buffered")
_COUNTERS = ("attempts", "admitted", "refused", "unanswered", "readings")
_HELP = {
    "online": "Devices with a session, as the core knows it.",
    "queue": "Messages that wait at the broker.",
    "buffered": "Readings in the buffers of devices.",
    "attempts": "CONNECTs.",
    "admitted": "CONNECTs that were admitted.",
    "refused": "CONNECTs that were refused.",
    "unanswered": "CONNECTs that nobody answered.",
    "readings": "Readings that the core accepted.",
    "dropped_series": "Objectives that a metric has no room for.",
}
_BUDGETS = {
    "objective_bad": "What counted against an objective since the warm-up.",
    "objective_events": "All that counted for or against an objective since the warm-up.",
}


class Metrics:
    """A `Sink`: what has been told of a run so far, as text. Calls may come from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pane: PaneRow | None = None
        self._totals: Counter[str] = Counter()
        self._events: Counter[tuple[str, str, str]] = Counter()
        self._budgets: Mapping[str, tuple[int, int]] = {}

    def event(self, row: EventRow) -> None:
        key = (row.kind, row.name, row.severity)
        with self._lock:
            if key not in self._events and len(self._events) >= MOST_SERIES:
                key = (row.kind if row.kind in {kind for kind, _, _ in self._events} else OTHER, OTHER, "")
            self._events[key] += 1

    def pane(self, row: PaneRow) -> None:
        with self._lock:
            self._pane = row
            for name in _COUNTERS:
                self._totals[name] += getattr(row, name)

    def budgets(self, counts: Mapping[str, tuple[int, int]]) -> None:
        """See `BudgetSink`."""
        with self._lock:
            self._budgets = counts

    def close(self, result: RunResult | None, why: str = "") -> None:
        """Nothing: the last second stays until the server goes."""

    def text(self) -> str:
        """Everything in OpenMetrics."""
        with self._lock:
            pane, totals, events = self._pane, dict(self._totals), dict(self._events)
            budgets = list(self._budgets.items())
        lines = ["# TYPE twinstorm_simulated_seconds gauge", "# UNIT twinstorm_simulated_seconds seconds"]
        lines += [f"twinstorm_simulated_seconds {0 if pane is None else pane.at_s}"]
        for name in _GAUGES:
            lines += _described(name, "gauge")
            lines += [f"twinstorm_{name} {0 if pane is None else getattr(pane, name)}"]
        for name in _COUNTERS:
            lines += _described(name, "counter")
            lines += [f"twinstorm_{name}_total {totals.get(name, 0)}"]
        lines += ["# TYPE twinstorm_sli gauge", "# HELP twinstorm_sli The SLI of an objective over the last 10 s."]
        slis = [] if pane is None else list(pane.slis.items())
        told = [(name, value) for name, value in slis[:MOST_SERIES] if value is not None]
        lines += [f"twinstorm_sli{_labels(objective=name)} {value!r}" for name, value in told]
        for place, (name, text) in enumerate(_BUDGETS.items()):
            lines += [f"# TYPE twinstorm_{name} counter", f"# HELP twinstorm_{name} {text}"]
            some = budgets[:MOST_SERIES]
            lines += [f"twinstorm_{name}_total{_labels(objective=each)} {counts[place]}" for each, counts in some]
        lines += _described("dropped_series", "gauge")
        # Whoever watches for it wants to see 0 as well.
        dropped = {"sli": len(slis), **dict.fromkeys(_BUDGETS, len(budgets))}
        lines += [
            f"twinstorm_dropped_series{_labels(metric=f'twinstorm_{name}')} {max(count - MOST_SERIES, 0)}"
            for name, count in dropped.items()
        ]
        lines += ["# TYPE twinstorm_events counter", "# HELP twinstorm_events What was told of the run."]
        lines += [
            f"twinstorm_events_total{_labels(kind=kind, name=name, severity=severity)} {count}"
            for (kind, name, severity), count in sorted(events.items())
        ]
        return "\n".join([*lines, "# EOF", ""])


def _described(name: str, kind: str) -> list[str]:
    return [f"# TYPE twinstorm_{name} {kind}", f"# HELP twinstorm_{name} {_HELP[name]}"]


def _labels(**labels: str) -> str:
    return "{" + ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def address_of(text: str) -> tuple[str, int]:
    """Host and port of ``127.0.0.1:9464``.

    Raises:
        ValueError: it is none, or not on this machine.
    """
    host, _, port = text.rpartition(":")
    if host not in ("127.0.0.1", "localhost") or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ValueError(f"`{text}` is no address of this machine: write `127.0.0.1:9464`, or port 0 for a free one")
    return "127.0.0.1", int(port)


class MetricsServer:
    """Tells metrics on this machine until it is closed.

    Args:
        port: 0 takes a free one.

    Raises:
        Unavailable: the port is taken.
    """

    def __init__(self, metrics: Metrics, port: int, host: str = "127.0.0.1") -> None:
        try:
            self._server = ThreadingHTTPServer((host, port), _handler(metrics))
        except OSError as error:
            raise Unavailable(f"{host}:{port}", error.strerror or str(error), "Choose another port.") from error
        self._server.daemon_threads = True
        self.address = f"{host}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(metrics: Metrics) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.split("?")[0] != "/metrics":
                self.send_error(404)
                return
            body = metrics.text().encode()
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
            """Silence."""

    return Handler
