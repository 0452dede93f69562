"""A camera that judges parts: it takes a picture when one passes, and a network says how defective the part looks.

Parts come at random. How many of them are defective follows the wear of the machine that makes them, which nobody
measures: it grows with use and is gone after the planned maintenance, so that the share of defects rises for weeks and
falls in a moment. Dirt on the lens and the age of the lamp grow likewise. The exposure control makes up for missing
light with time; what dirt scatters it cannot, so that the picture loses focus and the scores of good and bad parts come
nearer to each other.

Chance hangs on the number of the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.chance import stream, words
from twinstorm.twin.flow import HOUR_US, MINUTE_US, SECOND_US, Channel, Int, Mask, Values
from twinstorm.twin.machines.kind import Draws, FailureMode, Inputs, Place, Quantity, Truth
from twinstorm.twin.physics.counting import add_to
from twinstorm.twin.physics.driving import follow
from twinstorm.twin.physics.keyed import exponential, share, to_us
from twinstorm.twin.physics.sensing import disturb, disturb_share, keep_within
from twinstorm.twin.physics.spread import uniform
from twinstorm.twin.physics.worn_parts import WornPart, WornParts, sooner

MEMORY_US: Final = HOUR_US
"""Of a longer step only the end is lived picture by picture; what came before counts at the mean pace."""

# --- parts and the machine that makes them (assumed) ------------------------------------------------------------------

PART_EVERY_S: Final = (45.0, 80.0)
CLEARANCE: Final = 0.2
"""Shortest time between two parts, as a share of the mean; the rest is exponential."""
DEFECT_PCT: Final = (0.4, 2.0)
"""With a machine just serviced."""
WORN_DEFECTS: Final = 0.14
"""Share of defective parts more when service is due; by the square of the wear."""
SERVICE_EVERY_H: Final = (200.0, 600.0)
RECENT: Final = 1.0 / 32.0
"""Weight of the newest picture in the share of defects that is told."""

# --- camera and network (assumed: a smart camera with a small network) ------------------------------------------------

EXPOSURE_MS: Final = (2.0, 6.0)
LONGEST_MS: Final = 100.0
LATENCY_MS: Final = (45.0, 110.0)
SPREAD: Final = 0.25
"""Of the latency: the part that is exponential."""
FOCUS_PCT: Final = (88.0, 97.0)
"""Contrast of an edge, of the best that can be, with a clean lens."""
SOILED: Final = 0.12
"""Share of the light that the dirt of one service interval scatters."""
AGED: Final = 0.25
"""Share of its light that the lamp loses in one."""
GOOD, BAD = 0.08, 0.86
"""Scores of good and of defective parts in sharp pictures."""
BLIND: Final = 0.45
"""Score of any part in a picture without contrast."""

# --- what failures do at full severity --------------------------------------------------------------------------------

DIRT: Final = 0.75
"""Share of the light that is scattered."""
DARK: Final = 0.85
"""Share of the lamp's light that is lost."""
THROTTLED: Final = 6.0
"""Times as long for a hot processor."""

PARTS: Final = WornParts(
    WornPart("lens", "the lens", breaks={"dirty-lens": 1.0}),
    WornPart("lamp", "the lamp", breaks={"lamp-failure": 1.0}),
)
"""Besides what is serviced with the machine; services wipe the lens and change the lamp, too (assumed)."""

SCORE_NOISE, FOCUS_NOISE_PCT, EXPOSURE_NOISE, LATENCY_NOISE = 0.03, 0.4, 0.01, 0.02
COUNTED: Final = 65_000
LEAST_DEMAND: Final = 0.01

_PICTURE, _NEXT = stream(0, 50), stream(0, 51)

Columns = Mapping[str, NDArray[Any]]


class Camera:
    """Quality camera. See `EventKind` and `Timeless` for the contract."""

    name = "camera"
    summary = "quality camera, a picture when a part passes: defect score and share, latency, focus, exposure"
    channels: tuple[Channel, ...] = (
        Channel("defect_score", "1", 0.0, 1.0, 0.001, by_event=True),
        Channel("defect_pct", "%", 0.0, 100.0, 0.01, by_event=True),
        Channel("latency_ms", "ms", 0.0, 6_000.0, 0.2, by_event=True),
        Channel("focus_pct", "%", 0.0, 100.0, 0.1, by_event=True),
        Channel("exposure_ms", "ms", 0.0, LONGEST_MS, 0.01, by_event=True),
        Channel("pictures", "1", 0.0, float(COUNTED), 1.0, COUNTED / 2.0, averaged=False),
    )
    every_us = 5 * MINUTE_US
    grid_us = SECOND_US
    timeless = True
    words = 1
    settable: tuple[Quantity, ...] = (
        Quantity("part_every_s", "s", 0.1, 86_400.0, "mean time between two parts"),
        Quantity("defect_pct", "%", 0.0, 100.0, "share of defective parts of a machine just serviced"),
        Quantity("service_every_h", "h", 1.0, 100_000.0, "from one planned maintenance to the next"),
        Quantity("latency_ms", "ms", 1.0, 2_000.0, "mean time from picture to verdict"),
        Quantity("exposure_ms", "ms", 0.1, LONGEST_MS, "exposure with a clean lens and a new lamp"),
        Quantity("focus_pct", "%", 10.0, 100.0, "contrast with a clean lens"),
        Quantity("worn_at_start", "1", 0.0, 1.0, "share of the service interval that is over at the start"),
    )
    drives: tuple[Quantity, ...] = (Quantity("demand", "1", 0.0, 4.0, "parts as a multiple of the usual ones"),)
    failures: tuple[FailureMode, ...] = (
        FailureMode(
            "dirty-lens",
            "dirt scatters light: exposure rises, focus falls, scores of good and bad parts meet in the middle",
            ("focus_pct", "exposure_ms", "defect_score"),
        ),
        FailureMode("lamp-failure", "the lamp goes dim: exposure rises up to its limit", ("exposure_ms",)),
        FailureMode(
            "throttling", "the processor is too hot and slows down: verdicts come late", ("latency_ms",), False
        ),
    )

    def parameters(self, draws: Draws, place: Place) -> dict[str, Any]:  # noqa: ARG002
        """See `MachineKind`.

        Returns:
            part_every_s, defect_pct, service_every_h, latency_ms, exposure_ms, focus_pct, worn_at_start: as set. key:
            uint64, of the camera's chance.
        """
        return {
            "part_every_s": uniform(draws(0), *PART_EVERY_S),
            "defect_pct": uniform(draws(1), *DEFECT_PCT),
            "service_every_h": uniform(draws(2), *SERVICE_EVERY_H),
            "latency_ms": uniform(draws(3), *LATENCY_MS),
            "exposure_ms": uniform(draws(4), *EXPOSURE_MS),
            "focus_pct": uniform(draws(5), *FOCUS_PCT),
            "worn_at_start": uniform(draws(6), 0.0, 0.9),
            "key": draws(7),
        }

    def initial(self, parameters: Columns) -> dict[str, Any]:
        """Nothing seen yet.

        Returns:
            clock_us: the machine's own time. next_us: when the next part passes. pictures: so far. defective: of the
            newest. recent: moving share of those found defective. news: a picture to tell. worn, worn_rest: share of
            the service interval.
        """
        n = len(parameters["key"])
        state: dict[str, Any] = {name: np.zeros(n, np.int64) for name in ("clock_us", "pictures", "defective", "news")}
        first = words(_NEXT, parameters["key"], 0)
        state["next_us"] = to_us(parameters["part_every_s"].astype(np.float64) * share(first, 0))
        state["recent"] = parameters["defect_pct"] * np.float32(0.01)
        state["worn"] = parameters["worn_at_start"].copy()
        state["worn_rest"] = np.zeros(n, np.float32)
        return state | PARTS.initial(state["worn"])

    def step(self, state: Columns, parameters: Columns, inputs: Inputs, noise: Values, out: Values) -> None:
        """See `EventKind`. Without power no part passes, and nothing wears."""
        lived_us = inputs.lived(len(state["clock_us"]))
        PARTS.wear(state, inputs, (lived_us * (1.0 / SECOND_US)).astype(np.float32))
        _wear(state, parameters, lived_us)
        state["news"].fill(0)
        demand = np.ones(len(lived_us), np.float32)
        follow(demand, inputs, "demand")
        every_s = parameters["part_every_s"].astype(np.float64) / np.maximum(demand, LEAST_DEMAND)
        left_out_us = lived_us - MEMORY_US
        if np.count_nonzero(left_out_us > 0):
            left_out_us = np.maximum(left_out_us, 0)
            state["clock_us"] += left_out_us
            state["next_us"] += left_out_us
            state["pictures"] += (left_out_us / (every_s * SECOND_US)).astype(np.int64)
            lived_us = np.minimum(lived_us, MEMORY_US)
        until_us = state["clock_us"] + lived_us
        chance = _defective_share(state, parameters)
        rows = (state["next_us"] <= until_us).nonzero()[0]
        while len(rows):
            _look(state, parameters, rows, every_s, chance)
            rows = rows[state["next_us"][rows] <= until_us[rows]]
        np.copyto(state["clock_us"], until_us)
        _measure(state, parameters, inputs, noise, out)

    def ahead_us(self, state: Columns) -> Int:
        """See `EventKind`."""
        ahead_us: Int = state["next_us"] - state["clock_us"]
        return ahead_us

    def has_news(self, state: Columns) -> Mask:
        """See `EventKind`."""
        news: Mask = state["news"] > 0
        return news

    def renew(self, state: Columns, parameters: Columns, rows: NDArray[np.intp]) -> None:
        """See `Renewable`. A service before it is due."""
        state["worn"][rows] = 0.0
        state["worn_rest"][rows] = 0.0
        PARTS.renew(state, parameters, rows)

    def truth(self, state: Columns, parameters: Columns) -> Truth:
        """See `MachineKind`. What wears is the machine that makes the parts, until its next service; or what looks."""
        health = np.clip(1.0 - state["worn"], 0.0, 1.0).astype(np.float32)
        made = Truth(health, health * parameters["service_every_h"] * np.float32(3600.0))
        return sooner(made, PARTS.truth(state, parameters))


def _wear(state: Columns, parameters: Columns, lived_us: Int) -> None:
    """Wear by time; what is worn out is serviced at once."""
    worn = state["worn"]
    part = lived_us.astype(np.float32)
    part /= np.float32(HOUR_US)
    part /= parameters["service_every_h"]
    add_to(worn, state["worn_rest"], part)
    serviced = worn >= 1.0
    if np.count_nonzero(serviced):
        worn[serviced] -= np.floor(worn[serviced])
        state["worn_rest"][serviced] = 0.0
        state["lens_broken"][serviced] = 0.0
        state["lamp_broken"][serviced] = 0.0


def _defective_share(state: Columns, parameters: Columns) -> Values:
    """Of the parts that pass, how many are defective: float32 (n,), 0..1."""
    worn = state["worn"]
    chance: Values = worn * worn * np.float32(WORN_DEFECTS)
    chance += parameters["defect_pct"] * np.float32(0.01)
    return chance


def _look(state: Columns, parameters: Columns, rows: Int, every_s: NDArray[np.float64], chance: Values) -> None:
    """A part passes each of these cameras."""
    key = parameters["key"][rows]
    state["pictures"][rows] += 1
    number = state["pictures"][rows]
    defective = share(words(_PICTURE, key, number), 0) < chance[rows]
    state["defective"][rows] = defective
    recent = state["recent"][rows]
    recent += (defective - recent) * np.float32(RECENT)
    state["recent"][rows] = recent
    state["news"][rows] = 1
    gap_s = exponential(words(_NEXT, key, number))
    gap_s *= 1.0 - CLEARANCE
    gap_s += CLEARANCE
    state["next_us"][rows] += to_us(gap_s * every_s[rows])


def _measure(state: Columns, parameters: Columns, inputs: Inputs, noise: Values, out: Values) -> None:
    """Fill `out`: the newest picture."""
    score, defect_pct, latency_ms, focus_pct, exposure_ms, pictures = out
    worn = state["worn"]
    passes = 1.0 - worn * np.float32(SOILED)
    dirt = inputs.failures.get("dirty-lens")
    if dirt is not None:
        passes *= 1.0 - np.float32(DIRT) * dirt
    light = 1.0 - worn * np.float32(AGED)
    dim = inputs.failures.get("lamp-failure")
    if dim is not None:
        light *= 1.0 - np.float32(DARK) * dim
    np.divide(parameters["exposure_ms"], light * passes, out=exposure_ms)
    np.multiply(parameters["focus_pct"], passes, out=focus_pct)

    # What is not scattered makes the picture, and the network's certainty goes with its contrast.
    verdict = np.where(state["defective"] > 0, np.float32(BAD - BLIND), np.float32(GOOD - BLIND))
    np.multiply(verdict, focus_pct * np.float32(0.01), out=score)
    score += np.float32(BLIND)

    np.multiply(state["recent"], 100.0, out=defect_pct)
    queueing = exponential(words(_PICTURE, parameters["key"], state["pictures"])).astype(np.float32)
    queueing *= SPREAD
    queueing += 1.0 - SPREAD
    np.multiply(parameters["latency_ms"], queueing, out=latency_ms)
    hot = inputs.failures.get("throttling")
    if hot is not None:
        latency_ms *= 1.0 + np.float32(THROTTLED - 1.0) * hot
    np.copyto(pictures, state["pictures"] % COUNTED)

    disturb(score, noise[0], SCORE_NOISE)
    disturb(focus_pct, noise[1], FOCUS_NOISE_PCT)
    disturb_share(exposure_ms, noise[2], EXPOSURE_NOISE)
    disturb_share(latency_ms, noise[3], LATENCY_NOISE)
    latency_ms += exposure_ms
    keep_within(Camera.channels, out)
