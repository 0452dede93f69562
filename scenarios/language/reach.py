"""How many devices of a fleet a fixed selector names, before any device exists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from twinstorm.scenarios.language.errors import closest, listed
from twinstorm.scenarios.language.model import Fleet, Segment, Site
from twinstorm.scenarios.language.placement import place
from twinstorm.scenarios.language.selectors import FIXED_KEYS, Selector, Term

_SEGMENT_KEYS = ("segment", "kind", "firmware", "link", "tenant", "line", "certificate_batch", "wave", "origin")
NO_GATEWAY = "none"
"""Value of `gateway` for devices that reach the broker directly."""
_PLURALS = {
    "id": "devices",
    "region": "regions",
    "site": "sites",
    "zone": "zones",
    "segment": "segments",
    "kind": "kinds",
    "firmware": "versions",
    "link": "links",
    "gateway": "gateways",
    "tenant": "tenants",
    "line": "lines",
    "certificate_batch": "batches",
    "wave": "waves",
    "origin": "origins",
}


def is_about(selector: Selector, segment: Segment) -> bool:
    """Whether it may name devices of a segment, by what these all share."""
    return all(term.holds(_segment_fact(segment, term.key)) for term in selector.terms if term.key in _SEGMENT_KEYS)


@dataclass(frozen=True)
class Reach:
    """Counts by segment and site: devices that share both differ only in their number."""

    fleet: Fleet

    @cached_property
    def _placed(self) -> Mapping[str, tuple[int, ...]]:
        """Segment to devices on each site."""
        return {segment.name: place(segment.devices, self.fleet.sites) for segment in self.fleet.segments}

    def count(self, selector: Selector) -> int:
        """Devices that a fixed selector names, after `share` or `first` took its part."""
        matching = self._count(selector.terms)
        if selector.share is not None:
            return round(selector.share * matching)
        return matching if selector.first is None else min(selector.first, matching)

    def _count(self, terms: tuple[Term, ...]) -> int:
        by_name = [term for term in terms if term.key in ("id", "gateway")]
        of_segment = [term for term in terms if term.key in _SEGMENT_KEYS]
        of_site = [term for term in terms if term.key not in _SEGMENT_KEYS and term not in by_name]
        sites = [
            index
            for index, site in enumerate(self.fleet.sites)
            if all(term.holds(_site_fact(site, term.key)) for term in of_site)
        ]
        total = 0
        for segment in self.fleet.segments:
            if not all(term.holds(_segment_fact(segment, term.key)) for term in of_segment):
                continue
            for index in sites:
                devices = self._placed[segment.name][index]
                total += self._named(by_name, index, segment) if by_name else devices
        return total

    def _named(self, terms: list[Term], site: int, segment: Segment) -> int:
        """Devices of a segment on a site whose name, and that of whose gateway, these terms accept."""
        names = [term for term in terms if term.key == "id"]
        gateways = [term for term in terms if term.key == "gateway"]
        where, total = self.fleet.sites[site], 0
        for gateway, numbers in self._by_gateway(site, segment):
            if all(term.holds(gateway) for term in gateways):
                own = (device_name(where, segment, number) for number in numbers) if names else ()
                total += sum(all(term.holds(name) for term in names) for name in own) if names else len(numbers)
        return total

    def _by_gateway(self, site: int, segment: Segment) -> Iterator[tuple[str, range]]:
        """Gateways of a segment's devices on a site, each with the numbers of those that belong to it."""
        devices, where = self._placed[segment.name][site], self.fleet.sites[site]
        numbers = range(1, devices + 1)
        if segment.gateway is not None:
            yield from ((device_name(where, segment, number), range(number, number + 1)) for number in numbers)
        elif segment.through:
            carrying = next(one for one in self.fleet.segments if one.name == segment.through)
            gateways = self._placed[carrying.name][site]
            # Dealt in turn, as `twin.fleet.carriers` does.
            yield from ((device_name(where, carrying, nth + 1), numbers[nth::gateways]) for nth in range(gateways))
        else:
            yield NO_GATEWAY, numbers

    def segments(self, selector: Selector) -> tuple[Segment, ...]:
        """Segments of which a selector can name devices; what changes with the moment is left aside."""
        fixed = tuple(term for term in selector.terms if term.key in FIXED_KEYS)
        return tuple(
            segment for segment in self.fleet.segments if self._count((*fixed, Term("segment", "=", (segment.name,))))
        )

    def sites(self, selector: Selector) -> tuple[Site, ...]:
        """Sites on which it can name devices; what changes with the moment is left aside."""
        fixed = tuple(term for term in selector.terms if term.key in FIXED_KEYS)
        return tuple(site for site in self.fleet.sites if self._count((*fixed, Term("site", "=", (site.name,)))))

    def kinds(self, selector: Selector) -> tuple[str, ...]:
        """Kinds of machine that a selector can name, each once; what changes with the moment is left aside."""
        return tuple(dict.fromkeys(segment.kind for segment in self.segments(selector)))

    def known(self, key: str) -> tuple[str, ...]:
        """Every value that a fixed key has for some device of this fleet, each once, in the order of the file."""
        return tuple(dict.fromkeys(self._values(key)))

    def _values(self, key: str) -> Iterator[str]:
        if key == "id":
            for segment in self.fleet.segments:
                for site, devices in zip(self.fleet.sites, self._placed[segment.name], strict=True):
                    if devices:
                        yield device_name(site, segment, 1)
        elif key == "gateway":
            for segment in self.fleet.segments:
                for where in range(len(self.fleet.sites)):
                    yield from (name for name, numbers in self._by_gateway(where, segment) if numbers)
        elif key in _SEGMENT_KEYS:
            yield from (_segment_fact(segment, key) for segment in self.fleet.segments if segment.devices)
        else:
            for index, site in enumerate(self.fleet.sites):
                if any(counts[index] for counts in self._placed.values()):
                    yield _site_fact(site, key)

    def why_none(self, selector: Selector) -> WhyNone:
        """Why a selector names no device of this fleet."""
        for term in selector.terms:
            if self._count((term,)) == 0:
                return _why(term, self.known(term.key), self._is_empty(term))
        if self._count(selector.terms) == 0:
            return WhyNone("each term has devices, but no device has all: widen one of them")
        return WhyNone("a part of so few devices is none: take a larger one")

    def _is_empty(self, term: Term) -> bool:
        """A term names sites or segments that the file has, and that have no devices."""
        if term.key in ("id", "gateway"):
            return False
        if term.key in _SEGMENT_KEYS:
            return any(term.holds(_segment_fact(segment, term.key)) for segment in self.fleet.segments)
        return any(term.holds(_site_fact(site, term.key)) for site in self.fleet.sites)


@dataclass(frozen=True)
class WhyNone:
    """Why a selector names no device.

    Attributes:
        known: the values that its first wrong term could have.
        suggestion: the likely one.
    """

    hint: str
    known: tuple[str, ...] = ()
    suggestion: str = ""


def why_none_of(selector: Selector, known: Mapping[str, tuple[str, ...]]) -> WhyNone | None:
    """Why a selector can name no device, whatever else the fleet has; None if it may well name one.

    Args:
        known: every value of each key whose values could be read.
    """
    for term in selector.terms:
        if term.key in known and not any(term.holds(value) for value in known[term.key]):
            return _why(term, known[term.key], is_empty=False)
    return None


def _why(term: Term, known: tuple[str, ...], is_empty: bool) -> WhyNone:
    all_of_them = f"{_PLURALS[term.key]}: {listed(known)}"
    if is_empty:
        return WhyNone(f"its part of the fleet is too small for one device; {all_of_them}", known)
    if term.op == "!=":
        return WhyNone(f"it leaves nothing; {all_of_them}", known)
    # An order has no misspelt values.
    return WhyNone(all_of_them, known, closest(term.values[0], known) if term.op == "=" else "")


def device_name(site: Site, segment: Segment, number: int) -> str:
    """Name of a device, counted from 1 within its site and segment."""
    return f"{site.name}/{segment.name}-{number:04d}"


def _segment_fact(segment: Segment, key: str) -> str:
    return segment.name if key == "segment" else str(getattr(segment, key))


def _site_fact(site: Site, key: str) -> str:
    return site.region if key == "region" else site.name
