"""Alarms on their way to whoever is on call: Alertmanager's webhook, version 4, signed and retried.

A group is an incident, an alert is an alarm of it that people are told of. `payload` and `sign` are pure.
Format: Prometheus Alertmanager, "Configuration", `<webhook_config>`. Times are wall times, as receivers expect them:
the start of the run plus simulated time.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ipaddress
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec

from twinstorm.scenarios.result import AlarmResult, IncidentResult, RunResult

VERSION = "4"
SIGNATURE = "X-Twinstorm-Signature"
"""Header: ``sha256=`` and the HMAC of the body in hexadecimal digits."""
TRIES = 4
FIRST_WAIT_S = 0.5
"""Between the first two tries; doubles."""
TIMEOUT_S = 5.0
MOST_TOLD = 80
"""Characters of what a receiver answers that is no HTTP."""
NEVER = "0001-01-01T00:00:00Z"
"""End of an alert that has none, as Go writes it."""


class NotDelivered(Exception):
    """A receiver did not take a message, however often it was tried."""


def problem_of(url: str, *, anywhere: bool) -> str:
    """Why nothing may be sent there; empty: it may.

    Args:
        anywhere: somebody agreed to another machine than this one.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not _has_port(parts):
        return f"`{url}` is no address of a webhook: write `http://127.0.0.1:9000/` or one with https"
    if not anywhere and not _is_loopback(parts.hostname):
        return f"`{parts.hostname}` is another machine: alarms go there with --yes only"
    return ""


def _has_port(parts: SplitResult) -> bool:
    """Whether its port is a number, or there is none."""
    try:
        return parts.port != 0
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def payload(
    scenario: str,
    incident: IncidentResult,
    alarms: Sequence[AlarmResult],
    *,
    receiver: str,
    started_at: str,
    run: str,
) -> dict[str, Any]:
    """What Alertmanager would send of one incident as it is now.

    Args:
        scenario: its name, a label of every alert.
        alarms: of the incident, and maybe of others.
        started_at: wall time of the start of the run, RFC 3339.
        run: its name, for links and labels.
    """
    told = [each for each in alarms if each.incident == incident.number and not each.suppressed]
    taken = "" if incident.acknowledged_s is None else _wall(started_at, incident.acknowledged_s)
    alerts = [_alert(scenario, each, started_at, run, taken) for each in told]
    firing = any(alert["status"] == "firing" for alert in alerts)
    return {
        "version": VERSION,
        "groupKey": f'{{}}:{{incident="INC-{incident.number}", run="{run}"}}',
        "truncatedAlerts": 0,
        "status": "firing" if firing else "resolved",
        "receiver": receiver,
        "groupLabels": {"incident": f"INC-{incident.number}", "run": run},
        "commonLabels": _common(alert["labels"] for alert in alerts),
        "commonAnnotations": _common(alert["annotations"] for alert in alerts),
        "externalURL": "",
        "alerts": alerts,
    }


def _alert(scenario: str, alarm: AlarmResult, started_at: str, run: str, taken: str) -> dict[str, Any]:
    """
    Args:
        taken: when somebody acknowledged the incident, wall time; empty: nobody has.
    """
    labels = {
        "alertname": alarm.name,
        "severity": alarm.severity,
        "group": alarm.group,
        "incident": f"INC-{alarm.incident}",
        "scenario": scenario,
        "run": run,
    }
    annotations = {
        "summary": f"{alarm.name} {alarm.group}: {alarm.devices:,} devices",
        "cause": alarm.cause,
        "acknowledged_at": taken,
        "marked_wrong": "somebody said so" if alarm.wrong else "",
    }
    if alarm.runbook:
        annotations["runbook_url"] = alarm.runbook
    return {
        "status": "firing" if alarm.resolved_s is None else "resolved",
        "labels": labels,
        "annotations": {name: text for name, text in annotations.items() if text},
        "startsAt": _wall(started_at, alarm.at_s),
        "endsAt": NEVER if alarm.resolved_s is None else _wall(started_at, alarm.resolved_s),
        "generatorURL": "",
        "fingerprint": fingerprint(labels),
    }


def fingerprint(labels: Mapping[str, str]) -> str:
    """That of Prometheus, by which receivers know an alert again: FNV-1a of 64 bits over sorted labels, 0xff behind
    each part.

    Example:
        >>> fingerprint({})
        'cbf29ce484222325'
    """
    told = b"".join(name.encode() + b"\xff" + value.encode() + b"\xff" for name, value in sorted(labels.items()))
    sum_ = 0xCBF29CE484222325
    for byte in told:
        sum_ = (sum_ ^ byte) * 0x100000001B3 % (1 << 64)
    return f"{sum_:016x}"


def _common(of: Any) -> Mapping[str, str]:
    """Pairs that all have."""
    first, *rest = list(of) or [{}]
    return {name: text for name, text in first.items() if all(each.get(name) == text for each in rest)}


def _wall(started_at: str, at_s: float) -> str:
    at = datetime.fromisoformat(started_at).astimezone(UTC) + timedelta(seconds=at_s)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def payloads(result: RunResult, *, receiver: str, started_at: str, run: str) -> list[dict[str, Any]]:
    """One for each incident with an alarm that people are told of, in the order of opening."""
    made = [
        payload(result.scenario, each, result.alarms, receiver=receiver, started_at=started_at, run=run)
        for each in result.incidents
    ]
    return [each for each in made if each["alerts"]]


def sign(body: bytes, key: bytes) -> str:
    """Value of the header `SIGNATURE`."""
    return "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()


class Webhook:
    """Sends documents to one address, one after the other.

    Args:
        key: signs the body; None: it is not signed.
        wait: passes this many seconds between tries; tests have their own.

    Raises:
        ValueError: nothing may be sent there, see `problem_of`.
    """

    def __init__(
        self,
        url: str,
        key: bytes | None = None,
        *,
        anywhere: bool = False,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        problem = problem_of(url, anywhere=anywhere)
        if problem:
            raise ValueError(problem)
        self._url, self._key = url, key
        self._wait = threading.Event().wait if wait is None else wait
        # A proxy of the environment would carry what must not leave this machine, and a redirect might lead anywhere.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects())

    def send(self, documents: Sequence[Mapping[str, Any]]) -> int:
        """Send them all. Returns how many were.

        Raises:
            NotDelivered: after `TRIES` tries at one of them, or when the receiver refuses it for good (4xx).
        """
        for number, document in enumerate(documents):
            self._send(msgspec.json.encode(document), f"{number} of {len(documents)} were sent")
        return len(documents)

    def _send(self, body: bytes, so_far: str) -> None:
        headers = {"Content-Type": "application/json", "User-Agent": "twinstorm"}
        if self._key is not None:
            headers[SIGNATURE] = sign(body, self._key)
        why = ""
        for number in range(TRIES):
            if number:
                self._wait(FIRST_WAIT_S * 2 ** (number - 1))
            request = urllib.request.Request(self._url, body, headers)  # noqa: S310 - `problem_of` has seen it
            try:
                with self._opener.open(request, timeout=TIMEOUT_S):
                    return
            except urllib.error.HTTPError as error:
                error.close()
                why = f"it answers {error.code}"
                if error.code < 500 and error.code != 429:
                    break
            except (OSError, ValueError) as error:
                why = str(getattr(error, "reason", error))
            except http.client.HTTPException as error:
                why = f"it does not speak HTTP: {type(error).__name__}: {' '.join(str(error).split())[:MOST_TOLD]}"
        raise NotDelivered(f"{self._url}: {why}; {so_far}")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like any other that is not 2xx."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        return None
