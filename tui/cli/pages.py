"""The pages of `twinstorm explain`. Facts come from where they are used; only what is nowhere else is written here."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from twinstorm.scenarios.language import catalogue, selectors, values
from twinstorm.scenarios.language.codes import CODES
from twinstorm.scenarios.language.fields import Key, Named, Table
from twinstorm.scenarios.language.schema import documented
from twinstorm.scenarios.language.slis import downtime_us
from twinstorm.twin.plugins import GROUPS

_WIDTH = 100

_OBJECTIVES = """
An objective bounds an SLI over the run after its warm-up:

    objectives:
      freshness: {}                  # the SLI of that name with its usual target
      connected: {sli: connectivity, at_least: 90 %}
      fresh: {sli: freshness, within: 60 s, at_least: 90 %, of: site=fra-*}

Keys: sli, at_least or at_most, of (a selector: these devices only), within, burn. Every objective implies
the expectation that it holds, unless the file expects it to be missed. What may go wrong in the whole run is its error
budget: with at least 99 %, one per cent of all device-seconds. Burn is how many times faster than evenly the last
minute used it up. With  burn: run  or  burn: 30 d  the objective raises the alarm NAME-burn when the budget of that
time goes too fast: at 2 % within 1/720 of it (burn 14.4) or 5 % within 1/120 (6) a page, at 10 % within 1/30 (3) or
1/10 (1) a ticket, each if the last twelfth of that window burns as fast.
"""

_MAINTENANCE = """
Crews repair machines that have stopped, and those that somebody asks for before:

    maintenance:
      policy: condition              # or  run-to-failure,  preventive (with  interval: 30 d)
      when: vibration_x_mm_s > 4.5 mm/s for 10 min
      crews: 3                       # or of each region: {north: 2, south: 1}
      travel: 1 h .. 2 h             # or a speed: 60 km/h
      repair: 4 h
      spares: 5
      lead: 2 d
      cost: {downtime: 100/h, repair: 500, spare: 300}

A machine stops when its hidden health is used up, or by chance (`breakdown: 30 d`). `when` is asked of what the core
received, never of the truth. Who was asked for works on until the crew begins; a repair renews what wears and ends the
machine's failures. Compare with --vary maintenance.policy=run-to-failure,condition; expect with `count: repairs`, or
`downtime` and `cost` in expressions.
"""

_PROCESSING = """
Readings wait to be processed before the core has them, and backlogs come of it:

    processing:
      service: 2 ms                  # of one reading, by one consumer; or  rate: 500/s,  rate: 25 %/s of the fleet
      partitions: 16                 # lines; those of a device stand in one, in order (by: device, gateway, site)
      consumers: 2                   # at the start
      start: 30 s                    # until one that is added, or crashed, works
      scale: {lag: 1000, most: 8}    # for so many waiting readings there is one; or  busy: 70 %
      checkpoint: 10 s               # what came since is processed once more after a crash
      room: 100000                   # readings that may wait; what is more is lost (shed: newest, or oldest)

To the core a reading arrives when it is processed: a pool that is too slow shows as stale devices, as readings that are
processed late, and as silence. Each partition is read by one consumer, so that more consumers than partitions help
nobody, and a partition that gets more than its share is as slow as one consumer. `fault: consumer-crash` kills some.
Expressions know `lag`, `consumers` and `shed`. Or a function a reading, by as many instances as it takes:

    processing:
      service: 50 ms
      serverless: {cold: 400 ms, keep: 10 min, most: 100, price: 0.0000002, price_per_s: 0.0000166667}
"""

_STAMPS = """
Where the time of readings goes: of each device one reading in so many is followed.

    stamps: {every: 100}             # window: 1 min, lateness: 10 s

Sampled is what the device's clock said; sent, admitted (by its broker), delivered (to the core) and ingested (behind
its pool, if it has one) are instants of the run; windowed is when the window that it belongs to was closed; alarmed,
which counts from ingested, when an alarm about its device was raised, of the newest such reading. The result and the
report tell median, 95th percentile and most of each stage. Live nobody tells when a reading was sent, and only the
embedded broker when it was admitted.
"""

_WINDOWS = """
Figures of one channel of one kind of machine, in windows by the stamps of the readings:

    windows:
      heat: {of: motor.winding_temperature_c, figure: mean, by: site, every: 1 min}
      heat-of-five: {of: motor.winding_temperature_c, by: site, every: 1 min, width: 5 min}
      shifts: {of: motor.current_a, figure: most, by: device, gap: 2 min}

`every` alone: windows that follow each other. With `width` they overlap: one of 5 min ends every minute. `gap`:
sessions, stretches in which somebody spoke without so long a pause. figure: mean, sd, least, most, count, sum. by:
device, gateway, segment, site, region, firmware, link, tenant, all. A window stays open for `lateness` (10 s) behind
its end.

In expressions window(heat) is the newest closed one, of several keys the greatest; window(heat, least) the least, and
window(heat)[site=fra-1] that of the keys under which these devices count. Without a closed window, or if nobody spoke
in it, it is unknown. The result and the report tell closed, late, out of order, and last, least and greatest by key.
"""

_CONTINUITY = """
Who is silent, and why: a dead sensor is a channel that a device has left out for too long while it speaks, a dead link
a device that has said nothing at all, once it had spoken.

    continuity: {}                   # periods: 3, least: 10 s

Too long is so many sampling periods, and at least so much time, by arrival. Expressions know dead_sensors and
dead_links, and of some devices dead_sensors[site=fra-1]. The end of a run and the report tell who was silent then.
"""

_JOINS = """
What two kinds of machine measure at one place and time, and windows that move together:

    joins:
      overheated: {left: motor.winding_temperature_c, right: environment.temperature_c, by: site, above: 60}
    correlations:
      together: {left: heat, right: load, over: 60}      # names of windows

A partner is at most `before` (30 s) older and `after` (30 s) younger, by the stamps; `lateness` (10 s) is waited for
more. A reading of the left side that lies more than `above` over the mean of its partners raises the alarm of the
join's name. Expressions know difference(overheated), the mean of left less right over the pairs of the newest minute,
of several keys the greatest; difference(overheated, least)[site=fra-1]; pairs(overheated), since the start; and
correlation(together), Pearson's over so many newest windows. The result and the report tell all of it by key.
"""

_ROUTES = """
Where readings are sent on to, by the topic and the values of each; the first rule that fits takes a reading:

    routes:
      hot: {when: winding_temperature_c > 120 C and current_a > 5, to: alarm}
      trim:
        topic: fleet/+/fra-1/#         # + is one level, # all that follow; by default all topics
        when: speed_rpm < 900
        to: command                    # or  store,  alarm,  dead-letter
        keep: [temperature_f]          # what is passed on, by its new name
        becomes: {winding_temperature_c: {name: temperature_f, unit: F}}
        takes: 10/s                    # more find no place and are tried again:
        tries: 4                       # so often in all, then they are dead letters
        wait: 2 s                      # before the second try; doubles with each
      rest: {to: store}

An alarm is a ticket of the rule's name, which `expect` may ask for. What is stored or asked for as a command stands in
the record of a run, the first 10,000 of it; nothing is sent to devices. Expressions know routed(hot). The result and
the report tell taken, delivered, retried, waiting and dead by rule, and how many readings fit none.
"""

_STEPS = """
A step has one trigger and one action:

    steps:
      - name: outage
        at: 5 min                    # or  after: other-step.end + 30 s
        fault: power-outage          # or  end: STEP,  mark: TEXT
        target: site=fra-*           # a selector
        lasts: 2 min                 # absent: until it is ended
        ramp: 30 s                   # time to full reach
        with: {...}                  # the fault's own settings: twinstorm explain FAULT

A name is needed only where the step is referred to. `expect: EXPRESSION` may stand on any step and is judged at its
instant.
"""

_SELECTORS = """
A selector names devices, in a target, in [...] of an expression and in the screen's filter:

    site=fra-*                       a * stands for any text
    site=fra-1,fra-2 kind=motor      a comma is "or", a blank is "and"
    kind!=motor   firmware<2.4       not; older than
    region=eu share=20 %             a part of them, by the seed; a smaller share lies inside a larger one
    segment=motors first=50          fifty of them
    all
"""

_EXPRESSIONS = """
An expression is true, false or unknown at every simulated second:

    connectivity >= 95 % and queue < 10000
    freshness[site=fra-1] < 80 %
    avg(connectivity, 5 min) > baseline(connectivity, 1 h) - 5 %

Numbers carry their units, and units are checked when the file is read. An SLI is its last 10 s. Without data a
comparison is unknown: neither true nor false. At most 200 characters and depth 8.
"""

_EXPECTATIONS: Mapping[str, str] = {
    "alarm": "alarm: NAME, after: INSTANT, within: DURATION, target: SELECTOR, severity: page or ticket\n"
    "Holds when that alarm was raised in that time, on those devices.",
    "no_alarm": "no_alarm: NAME or any, from: INSTANT, to: INSTANT, target: SELECTOR\n"
    "Holds when it was not raised in that time.",
    "recovered": "recovered: SHARE, of: STEP, within: DURATION\n"
    "Holds when that share of the step's devices is online, and stays so for 60 s, counted from the step's end.",
    "objective": "objective: NAME, verdict: missed\n"
    "Takes the place of the `held` that every objective implies: this one must be missed.",
    "always": "always: EXPRESSION\nHolds when it is true at every simulated second after the warm-up.",
    "never": "never: EXPRESSION\nHolds when it is true at no simulated second after the warm-up.",
    "eventually": "eventually: EXPRESSION, after: INSTANT, within: DURATION\nHolds when it is true once in that time.",
    "at": "at: INSTANT, that: EXPRESSION\nHolds when it is true at that instant.",
    "count": "count: WHAT, at_most: N, at_least: N\nBounds a count over the run after the warm-up.",
    "ledger": "ledger: WHAT, at_most: N or SHARE, at_least: N or SHARE\n"
    "Bounds readings over the run; a share is of the readings produced.",
}

EXIT_CODES: Sequence[tuple[int, str]] = (
    (0, "everything held"),
    (1, "an objective or an expectation was missed; bench: a required figure was missed"),
    (2, "command line or scenario wrong, nothing ran; no such run"),
    (3, "inconclusive: a fault reached nothing, or something could not be judged"),
    (4, "port, disk, broker or memory unavailable"),
    (5, "stopped early: stop condition, abort, --max-wall"),
    (70, "a bug in twinstorm, or in a plug-in that the message names; so does it the file with the trace"),
    (130, "interrupted: faults were ended and the report was written"),
    (141, "whoever read standard output has gone"),
    (143, "terminated, otherwise as 130"),
)

LOSS_CAUSES: Mapping[str, str] = {
    "qos0": "sent without acknowledgement, and the link or the broker lost it",
    "evicted": "pushed out of a device's full buffer",
    "session_expired": "queued for a session that ended before it came back",
    "queue_full": "the broker's queue had no place",
    "outage": "in the broker when it died",
    "power": "in a device's memory when its power failed",
    "corrupt": "damaged or sent astray, so that nobody could read it",
    "dead_letter": "refused: out of range, of an unknown schema or type, on the topic of another device",
    "late": "arrived so late, behind newer ones, that the core took it for a repeat",
    "shed": "refused on purpose under load",
    "edge_filtered": "left out by a gateway's filter",
    "edge_aggregated": "told by a gateway's summary instead",
    "retired": "of a device that was taken out of service",
    "unexplained": "live runs only: nobody can say where it went",
}


def groups() -> Mapping[str, tuple[str, ...]]:
    """Names with a page, by what they are."""
    return {
        "language": tuple(_language()),
        "faults": tuple(catalogue.faults()),
        "slis": tuple(catalogue.SLIS),
        "counters": tuple(catalogue.COUNTERS),
        "detectors": catalogue.alarms(),
        "detectors of conduct": catalogue.requested_detectors(),
        "detectors on values": catalogue.value_detectors(),
        "patterns of events": ("pattern",),
        "stored models": ("model",),
        "machines": tuple(catalogue.kinds()),
        "expectation forms": tuple(_EXPECTATIONS),
        "states": tuple(_states()),
        "links": tuple(catalogue.LINKS),
        "words of a scenario": tuple(_words()),
        "broker models": tuple(catalogue.BROKER_MODELS),
        "error codes": tuple(CODES),
    }


def page_of(topic: str) -> str | None:
    """The text about a topic, of all that have its name; None if there is none.

    Case, `_` and `-` do not matter, unless something is spelt just so.
    """
    wanted = _alike(topic)
    found = groups()
    pages = [_overview(group, names) for group, names in found.items() if _alike(group) == wanted]
    alike = [(group, name) for group, names in found.items() for name in names if _alike(name) == wanted]
    just_so = [one for one in alike if one[1] == topic]
    pages += [_PAGES[group](name) for group, name in just_so or alike]
    return "\n\n".join(pages) if pages else None


def _alike(name: str) -> str:
    return name.strip().casefold().replace("_", "-").replace(" ", "-")


def _overview(group: str, names: Sequence[str]) -> str:
    return _joined(group, [_rows((name, _first_line(_PAGES[group](name))) for name in names)])


def _first_line(page: str) -> str:
    """What follows a page's title."""
    title, _, rest = page.partition("\n")
    told = title.partition(": ")[2]
    return told or next((line.strip() for line in rest.splitlines() if line.strip()), "")


# --- pages ------------------------------------------------------------------------------------------------------------


def _language() -> Mapping[str, Callable[[], str]]:
    return {
        "steps": lambda: _STEPS,
        "selectors": _selectors,
        "objectives": lambda: _OBJECTIVES,
        "maintenance": lambda: _MAINTENANCE,
        "processing": lambda: _PROCESSING,
        "stamps": lambda: _STAMPS,
        "windows": lambda: _WINDOWS,
        "continuity": lambda: _CONTINUITY,
        "joins": lambda: _JOINS,
        "correlations": lambda: _JOINS,
        "routes": lambda: _ROUTES,
        "expectations": _expectations,
        "expressions": _expressions,
        "verdict": _verdict,
        "exit codes": _exit_codes,
        "loss": _ledger,
        "protocol": _protocol,
    }


def _language_page(name: str) -> str:
    return f"{name}\n\n{_language()[name]().strip(chr(10))}"


def _selectors() -> str:
    fixed, moment = " ".join(selectors.FIXED_KEYS), " ".join(selectors.MOMENT_KEYS)
    keys = f"Fixed keys: {fixed}. Keys of the moment, read once when the step starts: {moment}."
    return f"{_SELECTORS.strip()}\n\n{_filled(keys)}"


def _expectations() -> str:
    head = "The first key of an expectation names its form. Every objective implies one of its own."
    return "\n\n".join([head, *(textwrap.indent(text, "    ") for text in _EXPECTATIONS.values())])


def _expressions() -> str:
    functions = _rows((line.partition(": ")[0], line.partition(": ")[2]) for line in catalogue.FUNCTIONS.values())
    counters = _rows((each.name, each.summary) for each in catalogue.COUNTERS.values())
    return f"{_EXPRESSIONS.strip()}\n\nFunctions:\n\n{functions}\n\nCounters:\n\n{counters}\n\nand every SLI."


def _verdict() -> str:
    return _filled(
        "Missed if any expectation, written or implied by an objective, does not hold; else inconclusive if a fault "
        "left no evidence of an effect, or if something could not be judged; else held. A fault that is armed and "
        "does nothing never makes a run green."
    )


def _exit_codes() -> str:
    rows = _rows((str(code), text) for code, text in EXIT_CODES)
    return f"{rows}\n\nOf several scenarios the first that occurred of 70, 143, 130, 4, 5, 1, 3, 0."


def _ledger() -> str:
    head = "Nothing is lost without a name: produced = delivered + buffered + in flight + what was lost, by cause."
    return f"{head}\n\n{_rows(LOSS_CAUSES.items())}\n\nReadings that arrived again are counted beside the equation."


def _protocol() -> str:
    from typing import get_args

    from twinstorm.scenarios import protocol

    parts = [
        f"Protocol number {protocol.PROTOCOL}: length (4 bytes, big-endian), then MessagePack with the key `type`."
    ]
    for title, union in (("Commands", protocol.Command), ("Frames", protocol.Event)):
        parts.append(f"{title}:")
        parts += [_message(kind) for kind in get_args(union)]
    return "\n\n".join(parts)


def _message(kind: type) -> str:
    """A message with its fields, as the source declares them."""
    told = inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].replace("\n", " ")
    fields = [(name, str(annotation)) for name, annotation in kind.__annotations__.items()]
    lines = [f"  {kind.__name__}  {told}".rstrip()]
    return "\n".join([*lines, *(f"    {name}: {annotation}" for name, annotation in fields)])


def _fault(name: str) -> str:
    fault = catalogue.faults()[name]
    facts = [
        ("acts on", fault.acts_on),
        ("runs in", " and ".join(sorted(fault.clocks)) + " time"),
        ("target", "needed" if fault.needs_target else "none: it hits the broker"),
        *(() if fault.survivable else [("on screen", "asks for the number of devices: they do not come back alone")]),
    ]
    parts = [_filled(fault.effect), _rows(facts)]
    rows = _rows(_settings(fault.settings))
    parts.append(f"Settings, under `with`:\n\n{rows}" if rows else "It has no settings of its own.")
    return _joined(f"{name}: {fault.summary}", parts)


def _settings(settings: Sequence[catalogue.Option]) -> list[tuple[str, str]]:
    return [
        (f"{each.name} ({each.kind}, {each.default})", each.summary + _choices(each.choices) + _bounds(each))
        for each in settings
    ]


def _choices(choices: Sequence[str]) -> str:
    return f": {', '.join(choices)}" if choices else ""


def _bounds(setting: catalogue.Option) -> str:
    ends = [f"from {setting.least}"] if setting.least else []
    ends += [f"up to {setting.most}"] if setting.most else []
    return f"; {' '.join(ends)}" if ends else ""


def _sli(name: str) -> str:
    sli = catalogue.SLIS[name]
    if sli.is_later:
        return _joined(f"{name}: {sli.summary}", ["Not yet in this version."])
    facts = []
    if sli.target is not None:
        bound, share = sli.target
        facts.append(f"An objective of this name alone asks for {bound.replace('_', ' ')} {share}.")
    else:
        facts.append("An objective must state its bound.")
    facts += [f"`within` is {sli.within} unless it says otherwise."] if sli.within else []
    facts += [] if sli.is_fed else ["Nothing feeds it in this version: it has no data, and says so."]
    parts = [_filled(sli.definition), _filled(f"Mind: {sli.trap}"), _filled(" ".join(facts))]
    if sli.name == "availability":
        parts.append(_nines())
    return _joined(f"{name}: {sli.summary}", parts)


def _nines() -> str:
    """What shares of time allow for."""
    days = (1, 30, 365)
    lines = ["Allowed downtime     " + "".join(f"{f'in {count} d':>12}" for count in days)]
    for share in (0.99, 0.999, 0.9995, 0.9999, 0.99999):
        cells = (downtime_us(share, count * 86_400_000_000) / 1e6 for count in days)
        lines.append(f"  {share * 100:>8g} %         " + "".join(f"{_time(seconds):>12}" for seconds in cells))
    return "\n".join(lines)


def _time(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _counter(name: str) -> str:
    counter = catalogue.COUNTERS[name]
    when = "How many there are now." if counter.is_level else "How many there were since the start of the run."
    return _joined(f"{name}: {counter.summary}", [when])


def _detector(name: str) -> str:
    return _from_class(GROUPS["detector"], name, catalogue.ALARMS.get(name, ""))


def _requested_detector(name: str) -> str:
    return _from_class(GROUPS["detector on conduct"], name, "")


def _value_detector(name: str) -> str:
    return _from_class(GROUPS["detector on values"], name, "")


def _pattern(name: str) -> str:
    from twinstorm.scenarios.language import patterns

    grammar = inspect.cleandoc(patterns.__doc__ or "").partition("\n\n")[2]
    events = _rows((*patterns.EVENTS.items(), ("alarm NAME", "an alarm of this name was raised about it")))
    return _joined(_from_class(catalogue.PATTERNS, name, ""), [grammar, f"Events of one device:\n\n{events}"])


def _stored_model(name: str) -> str:
    return _from_class(catalogue.MODELS, name, "")


def _machine(name: str) -> str:
    return _from_class("twinstorm.machines", name, catalogue.KINDS.get(name, ""))


def _from_class(group: str, name: str, summary: str) -> str:
    """What the installed class says of itself, ours like a stranger's."""
    from importlib.metadata import entry_points

    point = next(iter(entry_points(group=group, name=name)))
    try:
        kind = point.load()
    except (Exception, SystemExit) as error:
        return _joined(name, [f"{point.value} cannot be loaded: {type(error).__name__}: {error}"])
    summary = summary or str(getattr(kind, "summary", ""))
    about = [inspect.cleandoc(getattr(each, "__doc__", None) or "") for each in (inspect.getmodule(kind), kind)]
    parts = about[:1] if group == "twinstorm.machines" and about[0] else about
    channels = getattr(kind, "channels", ())
    if channels:
        rows = [
            (each.name, f"{each.lowest:g} to {each.highest:g} {each.unit}, step {each.step:g}") for each in channels
        ]
        parts.append("Channels:\n\n" + _rows(rows))
    if channels:
        parts.append(_period(kind))
    for title, things in (
        ("Ways to fail, for the fault `machine-failure` and those of the same names", _failures(kind)),
        ("Driven from outside, by a recording or a controller", _quantities(getattr(kind, "drives", ()))),
        ("Parameters that may be set", _quantities(getattr(kind, "settable", ()), by_key=True)),
        ("Settings", _settings(getattr(kind, "options", ()))),
        ("Settings in a scenario, beside `on`, `channels` and `shadow`", _settings(_of_fleets(kind))),
    ):
        if things:
            parts.append(f"{title}:\n\n{_rows(things)}")
    return _joined(f"{name}: {summary}" if summary else name, parts)


def _of_fleets(kind: Any) -> Sequence[Any]:
    """Settings that a detector on values has besides, where it looks at a fleet."""
    own = getattr(kind, "options", ())
    return [option for option in kind.fleet_options() if option not in own] if hasattr(kind, "fleet_options") else ()


def _period(kind: Any) -> str:
    every = values.show_duration(kind.every_us)
    if hasattr(kind, "grid_us"):
        return f"It speaks when something happens, and at least every {every}, unless `every` says otherwise."
    return f"A reading every {every}, unless `every` says otherwise."


def _failures(kind: Any) -> list[tuple[str, str]]:
    modes = getattr(kind, "failures", ())
    return [(mode.name, f"{mode.summary}; shows on {', '.join(mode.channels)}") for mode in modes]


def _quantities(quantities: Sequence[Any], by_key: bool = False) -> list[tuple[str, str]]:
    """`by_key`: as a scenario writes them, whose values carry the unit."""
    return [
        (one.key if by_key else one.name, f"{one.summary}, {one.lowest:g} to {one.highest:g} {one.unit}".rstrip())
        for one in quantities
    ]


def _expectation(name: str) -> str:
    parts = [_EXPECTATIONS[name]]
    known = {"count": catalogue.COUNTS, "ledger": catalogue.LEDGER}.get(name)
    if known:
        parts.append(_rows(known.items()))
    return _joined(name, parts)


def _states() -> Mapping[str, str]:
    from twinstorm.tui.app.signs import STATE_SIGNS

    return {each.name: f"{each.sign} ({each.ascii} in ASCII)  {each.means}" for each in STATE_SIGNS}


def _state(name: str) -> str:
    return _joined(f"{name}: {_states()[name]}", ["A state is what the core observes, never the truth."])


def _link(name: str) -> str:
    return _joined(f"{name}: {catalogue.LINKS[name]}", [])


def _model(name: str) -> str:
    return _joined(f"{name}: {catalogue.BROKER_MODELS[name]}", [])


def _words() -> Mapping[str, Mapping[str, Key]]:
    """What may be written in a scenario and has no other page: its keys, by their paths."""
    told = {*_language(), *_EXPECTATIONS}
    words: dict[str, dict[str, Key]] = {}
    for path, key in documented().items():
        if key.name not in told and not key.later:
            words.setdefault(key.name, {})[path] = key
    return {name: words[name] for name in sorted(words)}


def _word(name: str) -> str:
    places = _words()[name]
    parts = [_rows((path, _told(key)) for path, key in places.items())]
    shown: set[Table] = set()
    for path, key in places.items():
        field, below = key.field.in_full(), path
        while isinstance(field, Named):
            field, below = field.of, f"{below}.NAME"
        if isinstance(field, Table) and field not in shown:
            shown.add(field)
            keys = _rows((each.name, _told(each)) for each in field.keys if not each.later)
            parts.append(f"Under `{below}`:\n\n{keys}")
    return _joined(f"{name}: {next(iter(places.values())).summary}", parts)


def _told(key: Key) -> str:
    return key.summary + ("; required" if key.required else f"; {key.default} by default" if key.default else "")


def _code(name: str) -> str:
    code = CODES[name]
    return _joined(f"{name}: {code.title}", [_filled(code.explanation)])


_PAGES: Mapping[str, Callable[[str], str]] = {
    "language": _language_page,
    "faults": _fault,
    "slis": _sli,
    "counters": _counter,
    "detectors": _detector,
    "detectors of conduct": _requested_detector,
    "detectors on values": _value_detector,
    "patterns of events": _pattern,
    "stored models": _stored_model,
    "machines": _machine,
    "expectation forms": _expectation,
    "states": _state,
    "links": _link,
    "words of a scenario": _word,
    "broker models": _model,
    "error codes": _code,
}


# --- layout -----------------------------------------------------------------------------------------------------------


def _joined(title: str, parts: Sequence[str]) -> str:
    return "\n\n".join([title, *(part for part in parts if part)])


def _filled(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), _WIDTH)


def _rows(pairs: Iterable[tuple[str, str]]) -> str:
    """Two columns, the second folded under itself."""
    rows = list(pairs)
    width = min(max((len(name) for name, _ in rows), default=0), 40)
    lines = []
    for name, text in rows:
        head = f"  {name.ljust(width)}  "
        lines.append(
            textwrap.fill(text, _WIDTH, initial_indent=head, subsequent_indent=" " * len(head)) if text else head
        )
    return "\n".join(line.rstrip() for line in lines)
