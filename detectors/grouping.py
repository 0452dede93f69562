"""What affected devices share: the group that explains them best, and by how much.

For each label of the registry (site, segment, ...) the groups of which enough devices are affected are taken together;
how well they explain the affected is the share of the affected that lies inside them, times the share of them that is
affected. Of the labels that explain nearly as well as the best, the simplest is named: the whole fleet before a label,
few groups before many. One gateway goes before everything but the fleet: that it failed explains all behind it at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinstorm.detectors.policy import Policy
from twinstorm.twin.flow import Device, Mask, Registry

ALL = "all"
GATEWAY = "gateway"
LONE = "no group"
"""Stands where affected devices share nothing."""

NEARLY = 0.9
"""Explains nearly as well: at least this share of the best."""
NAMED = 4
"""Groups of one label that are still simple, and that are written out."""


@dataclass(frozen=True, slots=True)
class Cause:
    """A group, or several of one label.

    Attributes:
        group: a selector, as far as it fits: ``all``, ``site=fra-2``, ``site=fra-1,fra-2``.
        members: bool (n,), its devices, affected or not.
        affected: of them.
        known: of them, those that can be judged.
        lift: how many times as often its devices are affected as the fleet's, one decimal.
    """

    group: str
    members: Mask
    affected: int
    known: int
    lift: float

    @property
    def text(self) -> str:
        """E.g. ``site=fra-2 (lift 3.1)``; empty for the whole fleet, which explains nothing."""
        return "" if self.group == ALL else f"{self.group} (lift {self.lift:.1f})"


@dataclass(frozen=True, slots=True)
class _Label:
    name: str
    codes: NDArray[np.integer]
    names: Sequence[str]
    sizes: NDArray[np.intp]
    first: int
    """Codes below it name no group."""

    @staticmethod
    def of(name: str, codes: NDArray[np.integer], names: Sequence[str], first: int = 0) -> _Label:
        return _Label(name, codes, names, np.bincount(codes, minlength=len(names)), first)

    def count(self, mask: Mask, count: int) -> NDArray[np.intp]:
        """How many of these devices, of which there are so many, each group has."""
        if count * 2 <= len(mask):
            return np.bincount(self.codes[mask], minlength=len(self.names))
        return self.sizes - np.bincount(self.codes[~mask], minlength=len(self.names))


@dataclass(frozen=True, slots=True)
class _Candidate:
    label: _Label | None
    chosen: NDArray[np.intp]
    inside: int
    known: int

    def simplicity(self, first: str) -> int:
        """Less is simpler; a few groups of the label that is named first go before all."""
        if self.label is None:
            return 0
        if self.label.name == first and len(self.chosen) <= NAMED:
            return -1
        if self.label.name == GATEWAY and len(self.chosen) == 1:
            return 1
        return max(len(self.chosen) - NAMED, 1) + 1

    def fit(self, affected: int) -> float:
        return self.inside * self.inside / (affected * self.known)


class Grouping:
    """Finds shared causes among the devices of a registry."""

    def __init__(self, registry: Registry) -> None:
        self._devices = len(registry)
        beside = [
            *_optional("certificate_batch", registry.certificate_batch, registry.certificate_batches),
            *_optional("wave", registry.wave, registry.waves),
        ]
        # In the order in which they are named when they explain equally well.
        self._labels: tuple[_Label, ...] = (
            _Label.of("site", registry.site, registry.sites),
            _Label.of("region", registry.region, registry.regions),
            *_optional("tenant", registry.tenant, registry.tenants),
            *_optional("line", registry.line, registry.lines),
            *(label for label in beside if _spans(label, registry)),
            _Label.of("segment", registry.segment, registry.segments),
            _Label.of("kind", registry.kind, registry.kinds),
            _Label.of("firmware", registry.firmware, registry.firmwares),
            *(label for label in beside if not _spans(label, registry)),
            _Label.of("link", registry.link, registry.links),
        )
        self._hangs_on: NDArray[np.integer] = registry.site
        """What each device shares with its neighbours: its gateway, or its site."""
        if registry.gateway is not None:
            # Devices without a gateway have nothing in common by that.
            gateways = _Label.of(GATEWAY, registry.gateway, registry.gateways, first=1)
            self._labels = (*self._labels, gateways)
            self._hangs_on = np.where(registry.gateway > 0, registry.gateway, -1 - registry.site)

    def spreads(self, device: Device) -> bool:
        """Whether these devices hang on more than one gateway, or stand at more than one site where they have none."""
        return len(np.unique(self._hangs_on[device])) > 1

    def cause(self, affected: Mask, known: Mask, policy: Policy) -> Cause | None:
        """What the affected devices share, if groups as large as the policy wants are affected.

        Args:
            affected: bool (n,).
            known: bool (n,), devices that can be judged; includes the affected.
        """
        count, judged = int(np.count_nonzero(affected)), int(np.count_nonzero(known))
        fewest = policy.fewest(len(affected))
        if count < fewest:
            return None
        candidates, share = [], policy.share
        if count >= policy.fleet_share * judged:
            candidates.append(_Candidate(None, np.zeros(0, np.intp), count, judged))
            # There will be an alarm anyhow: a group that only begins to be affected says more than the fleet.
            share = min(share, policy.fleet_share or share)
        for label in self._labels:
            if len(label.names) > 1:
                candidates.extend(_of_label(label, (affected, count), (known, judged), share, fewest))
        if not candidates:
            return None
        best = max(candidate.fit(count) for candidate in candidates)
        near = [candidate for candidate in candidates if candidate.fit(count) >= NEARLY * best]
        # Python's `min` keeps the first of equals, so the order of labels decides.
        simplest = min(near, key=lambda each: each.simplicity(policy.names_first))
        return self._named(simplest, count, judged)

    def _named(self, candidate: _Candidate, affected: int, known: int) -> Cause:
        label = candidate.label
        if label is None:
            return Cause(ALL, np.ones(self._devices, np.bool_), candidate.inside, candidate.known, 1.0)
        inside = np.zeros(len(label.names), np.bool_)
        inside[candidate.chosen] = True
        lift = (candidate.inside * known) / (candidate.known * affected)
        return Cause(
            group_text(label.name, [label.names[code] for code in candidate.chosen.tolist()]),
            inside[label.codes],
            candidate.inside,
            candidate.known,
            round(lift, 1),
        )


def _optional(name: str, codes: NDArray[np.integer] | None, names: Sequence[str]) -> list[_Label]:
    """A label that not everybody has: those without have nothing in common by that."""
    return [] if codes is None else [_Label.of(name, codes, names, first=1)]


def _spans(label: _Label, registry: Registry) -> bool:
    """A group of it is more than one segment: it then says more than their names. One that is a segment says less."""
    pairs = np.unique(label.codes.astype(np.int64) * len(registry.segments) + registry.segment)
    several = np.bincount(pairs // len(registry.segments), minlength=len(label.names)) > 1
    return bool(several[label.first :].any())


def _of_label(
    label: _Label, affected: tuple[Mask, int], known: tuple[Mask, int], share: float, fewest: int
) -> list[_Candidate]:
    """The groups of a label that are affected enough, as one candidate; masks with the number of their devices."""
    hit, of = label.count(*affected), label.count(*known)
    chosen = np.flatnonzero((hit >= fewest) & (hit >= share * of))
    chosen = chosen[chosen >= label.first]
    if not len(chosen):
        return []
    return [_Candidate(label, chosen, int(hit[chosen].sum()), int(of[chosen].sum()))]


def group_text(label: str, names: Sequence[str]) -> str:
    """A selector for these groups: ``site=fra-1,fra-2``; the fifth and more are only counted."""
    shown = ",".join(names[:NAMED])
    more = len(names) - NAMED
    return f"{label}={shown}" + (f" and {more} more" if more > 0 else "")
