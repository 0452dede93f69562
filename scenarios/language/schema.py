"""Which keys exist where: the tables that the reader, the JSON Schema and `twinstorm explain` are made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

from twinstorm.scenarios.language import catalogue, values
from twinstorm.scenarios.language.errors import Problems, quoted
from twinstorm.scenarios.language.fields import (
    BAD,
    CALENDAR,
    EXPRESSION,
    INSTANT,
    PROSE,
    SELECTOR,
    VERSION,
    Field,
    Key,
    Listing,
    Named,
    Raw,
    Record,
    Single,
    Table,
    Word,
    amount,
    count,
    duration,
    duration_or_none,
    duration_range,
    later,
    name,
    rate,
    share,
    signed_range,
    walk,
    whole,
    words,
    wrong,
)
from twinstorm.scenarios.language.joins import CORRELATION, JOIN
from twinstorm.scenarios.language.meshes import MESH
from twinstorm.scenarios.language.model import NO_BATCH, NO_LINE, NO_TENANT, NO_WAVE, Trunk
from twinstorm.scenarios.language.nodes import BrokenNode, ListNode, MapNode, Node, ScalarNode
from twinstorm.scenarios.language.objectives import OBJECTIVE, AlarmName
from twinstorm.scenarios.language.power import POWER
from twinstorm.scenarios.language.processing import PROCESSING, STAMPS
from twinstorm.scenarios.language.routes import ROUTE
from twinstorm.scenarios.language.streams import CONTINUITY, WINDOW
from twinstorm.scenarios.language.upkeep import MAINTENANCE
from twinstorm.scenarios.language.watching import Detectors
from twinstorm.scenarios.language.wires import CODEC, Profile

LANGUAGE = "1"
"""Version of the language that this reader knows."""

MOST_DEVICES = 10_000_000
MOST_SITES = 10_000
LONGEST_CAP = "20 min"
"""Of `reconnect.cap`: three times it must fit a 32-bit draw in microseconds."""


# --- fleet ------------------------------------------------------------------------------------------------------------

RECONNECT = Table(
    "the reconnect policy",
    (
        Key(
            "backoff",
            words("backoff", "none", "fixed", "exponential"),
            "how the wait grows with every failed attempt",
            default="exponential",
        ),
        Key("base", duration("1 ms", LONGEST_CAP, "1 s"), "wait after the first failure", default="1 s"),
        Key("cap", duration("1 ms", LONGEST_CAP, "120 s"), "longest wait", default="120 s"),
        Key(
            "jitter",
            words("jitter", "none", "equal", "full", "decorrelated"),
            "how much of the wait is drawn by lot",
            default="full",
        ),
        Key("timeout", duration("1 ms", "1 h", "10 s"), "how long a device waits for an answer", default="10 s"),
    ),
)

BUFFER = Table(
    "the buffer",
    (
        Key("readings", whole(most="1000000", example="300"), "readings kept while the broker is away", default="60"),
        Key("evict", words("eviction", "oldest", "newest"), "which reading goes when it is full", default="oldest"),
    ),
)

CLOCK = Table(
    "the clock",
    (
        Key("sync", duration("1 s", "30 d", "1 h"), "time between two synchronisations while online; without it never"),
        Key("accuracy", duration("0 s", "1 min", "10 ms"), "what one leaves, at most, either way", default="10 ms"),
        Key(
            "offset",
            signed_range("-520 w", "520 w", "-2 s .. 5 s"),
            "how far it is ahead when the run begins; of a range, one draw a device",
            default="0 s",
        ),
        Key("drift", amount("ppm", "0 ppm", "1000 ppm", "20 ppm"), "its rate at most, by lot", default="0 ppm"),
        Key("ageing", amount("ppm", "-100 ppm", "100 ppm", "1 ppm"), "added to its mean rate a year", default="0 ppm"),
        Key("temperature", amount("C", "-55 C", "125 C", "40 C"), "where its crystal works; slower away from 25 C"),
        Key("backup", words("backup", "battery", "none"), "what it runs on without power", default="battery"),
        Key("epoch", CALENDAR, "what it shows without the time", default="1970-01-01T00:00:00Z"),
    ),
)

GATEWAY = Table(
    "what gateways do for the devices behind them",
    (
        Key(
            "rate", rate("1/h", "100000/s", "200/s"), "messages that each forwards in a time, at most", default="200/s"
        ),
        Key("queue", whole("1", "10000000", "1000"), "readings that wait for its processor", default="1000"),
        Key(
            "processor",
            Table(
                "the processor of a gateway",
                (
                    Key("every", duration("1 s", "1 d", "1 min"), "it passes on one reading of each device in a time"),
                    Key("keep", words("keep", "first", "mean"), "which", default="first"),
                ),
            ),
            "what it leaves of the readings that pass it; without it all",
        ),
        Key(
            "buffer",
            Table(
                "the buffer of a gateway",
                (
                    Key("readings", whole("1", "10000000", "20000"), "readings that it keeps", default="20000"),
                    Key("evict", words("eviction", "oldest", "newest"), "which goes when it is full", default="oldest"),
                ),
            ),
            "readings that wait for the uplink",
        ),
        Key(
            "store", words("store", "disk", "memory"), "where the buffer lies; a disk survives a crash", default="disk"
        ),
        Key("disk", Single("a size", values.bytes_of, "64 MB"), "size of that disk; without it as large as need be"),
        Key(
            "memory", Single("a size", values.bytes_of, "8 MB"), "what waits in memory; above it the gateway is killed"
        ),
        Key(
            "batch",
            Table(
                "the batches of a gateway",
                (
                    Key("readings", whole("2", "1000", "200"), "readings in one message, at most", default="200"),
                    Key("every", duration("10 ms", "1 h", "1 s"), "how often it looks for what to send", default="1 s"),
                ),
            ),
            "it gathers what it carries, and sends it as columns",
        ),
        Key("spare", words("spare", "none", "standby"), "a second machine that takes over", default="none"),
        Key("power", words("power", "mains", "solar"), "what it lives by", default="mains"),
        Key("panel", amount("W", "1 W", "10000 W", "60 W"), "peak power of its solar panel", default="60 W"),
        Key(
            "battery",
            amount("Wh", "1 Wh", "100000 Wh", "240 Wh"),
            "capacity of its battery, with `power: solar`",
            default="240 Wh",
        ),
    ),
)

LINK = Word("link", lambda: tuple(catalogue.LINKS), code="S104")

HAZARDS = Table(
    "the hazards",
    (
        Key("crash_every", duration("1 min", "53 w", "30 d"), "mean time from a boot to a crash; without it never"),
        Key("freeze_every", duration("1 min", "53 w", "60 d"), "mean time from a boot to a hang; without it never"),
        Key("leak", Single("a size per time", values.bytes_per_s, "24 kB/h"), "memory lost until it hangs"),
        Key("memory", Single("a size", values.bytes_of, "1.5 MB"), "what there is to lose", default="1.5 MB"),
    ),
)

BEHAVIOUR = (
    Key("keep_alive", duration_or_none("1 s", "18 h", "60 s"), "MQTT keep-alive; `none`: no pings", default="60 s"),
    Key("boot", duration_range("1 ms", "1 h"), "time to boot; of a range, one draw a device", default="8 s .. 12 s"),
    Key("reconnect", RECONNECT, "how a device asks for a session again"),
    Key("buffer", BUFFER, "readings that wait for a session"),
    Key("qos", words("quality of service", "0", "1", "2"), "MQTT quality of service of readings", default="1"),
    Key("clock", CLOCK, "how wrong its clock may be; without it never"),
    Key("watchdog", duration("1 s", "1 d", "30 s"), "resets a device that has hung for so long; without it none does"),
    Key("hazards", HAZARDS, "what it does to itself"),
    Key("codec", CODEC, "how its readings are encoded; said, messages are as long as they really are"),
    Key("wire", Profile(), "its topics and documents: `twinstorm`, a file, or the profile itself"),
)
"""Keys of a firmware, which the fleet may say for all devices and a segment for its own."""

DEVICE_DEFAULTS = (
    Key("every", duration("10 ms", "1 d", "1 s"), "time between two readings; event-driven: longest; else the kind's"),
    Key("link", LINK, "access network", default="ethernet"),
    *BEHAVIOUR,
    Key("firmware", VERSION, "version that the devices run", default="1.0.0"),
    Key("tenant", name("a tenant's name", "acme"), "customer whose devices they are", default=NO_TENANT),
    Key(
        "line",
        name("a line's name", "press-1"),
        "with which other machines of its site it makes things",
        default=NO_LINE,
    ),
    Key(
        "certificate_batch",
        name("a batch's name", "spring-29"),
        "with which others their certificates were issued",
        default=NO_BATCH,
    ),
    Key(
        "certificate_expires",
        duration_range("1 s", example="20 d"),
        "when certificates end, from the start; of a range, one draw a batch, or a device",
    ),
    Key("wave", name("a wave's name", "canary"), "with which others they are updated", default=NO_WAVE),
    Key("configuration", whole("1", "1000000000", "7"), "number of the configuration that they should have"),
)
"""Keys of `fleet` that a segment may override."""

FAULT = Word("fault", lambda: tuple(catalogue.faults()), code="S104", all_at="all: twinstorm list faults")

SLOTS = Table(
    "the slots of an image",
    (
        Key("other", VERSION, "version of the image in the other slot", required=True),
        Key("boot_limit", whole("1", "100", "3"), "boots in a row without being well; then the other", default="3"),
        Key(
            "healthy",
            duration("1 s", "1 d", "1 min"),
            "time up with a session until it is well",
            default="1 min",
        ),
    ),
)

FIRMWARE = Table(
    "a firmware",
    (
        *BEHAVIOUR,
        Key("fault", FAULT, "a fault that its devices have from the end of the warm-up on"),
        Key("with", Raw("the settings of a fault"), "the fault's own settings"),
        Key("schema", whole("1", "99", "2"), "number of the schema of its documents; the core knows 1", default="1"),
        Key("slots", SLOTS, "another image that the boot loader can take"),
        *later("size"),
    ),
)

KIND = Word("kind of machine", lambda: tuple(catalogue.kinds()), code="S104")

SEGMENT = Table(
    "a segment",
    (
        Key("kind", KIND, "kind of machine", required=True),
        Key("share", share(), "part of the fleet's devices; the shares add up to 100 %"),
        Key("devices", whole("1", str(MOST_DEVICES)), "number of devices, instead of a share"),
        Key("machine", Raw("parameters of the kind"), "parameters of its machines; of a range, one draw a machine"),
        Key("mirror", Raw("a mirror of the kind"), "a twin of each of its devices, to compare what they tell with"),
        Key("synthetic", words("synthetic", "true", "false"), "probes: no objective counts them", default="false"),
        Key("through", name("a segment's name", "edge"), "segment of the gateways that carry its devices"),
        Key("gateway", GATEWAY, "what its gateways do for the devices behind them"),
        Key("mesh", MESH, "its devices reach their gateway by way of others"),
        Key("power", POWER, "battery of its devices, what charges it and what they draw"),
        *DEVICE_DEFAULTS,
    ),
)

TRUNK = Table(
    "the trunk of a site",
    (
        Key(
            "rate",
            Single("a size per time", values.bytes_per_s, "250 kB/s", "", "1 B/s", "100000 MB/s"),
            "what passes from the site to the broker in a time, of all its devices together",
            required=True,
        ),
        Key(
            "queue",
            Single("a size", values.bytes_of, "64 kB", "", "1 kB", "10000 MB"),
            "what may wait for it; beyond that devices hold back what they sample",
            default="64 kB",
        ),
        Key("latency", duration("1 us", "10 s", "10 ms"), "from its end to the broker", default="10 ms"),
    ),
)

SITE = Table(
    "a site",
    (
        Key("region", name("a region", "fra"), "region; by default the site's name up to its last `-`"),
        Key("share", share("0.000001 %"), "part of every segment's devices; by default all sites get the same"),
        Key("trunk", TRUNK, "line that all its devices share; by default each has one of its own"),
    ),
)


@dataclass(frozen=True)
class SiteEntry:
    """A site as written."""

    name: str
    region: str
    share: Fraction | None
    node: Node
    trunk: Trunk | None = None


class Sites(Field):
    """A number, a list of names, or a mapping from name to region and share; read to a list of `SiteEntry`."""

    wanted = "a number of sites, a list or a mapping of them"

    def in_full(self) -> Named:
        return Named("a mapping of sites", SITE, MOST_SITES)

    def read(self, node: Node, problems: Problems) -> Any:
        if isinstance(node, BrokenNode):
            return BAD
        if isinstance(node, ScalarNode):
            return self._numbered(node, problems)
        entries = node.items if isinstance(node, ListNode) else node.entries if isinstance(node, MapNode) else ()
        if not 1 <= len(entries) <= MOST_SITES:
            message = f"a fleet has 1 to {MOST_SITES} sites, this one {len(entries)}"
            problems.add(wrong(node, "S210", message, "name at least one: `[fra-1]`", node.key_place))
            return BAD
        if isinstance(node, MapNode):
            return self._mapped(node, problems)
        assert isinstance(node, ListNode)
        return self._listed(node, problems)

    @staticmethod
    def _numbered(node: ScalarNode, problems: Problems) -> Any:
        number = whole("1", str(MOST_SITES), "5").read(node, problems)
        if number is BAD:
            return BAD
        return [SiteEntry(f"site-{n}", "site", None, node) for n in range(1, number + 1)]

    @staticmethod
    def _listed(node: ListNode, problems: Problems) -> Any:
        found: dict[str, SiteEntry] = {}
        names = [name("a site", "fra-1").read(item, problems) for item in node.items]
        if BAD in names:
            return BAD
        for site, item in zip(names, node.items, strict=True):
            if site in found:
                hint = "give every site a name of its own"
                problems.add(wrong(item, "S110", f"the site {quoted(site)} stands here twice", hint))
            found.setdefault(site, SiteEntry(site, _region(site), None, item))
        return list(found.values())

    @staticmethod
    def _mapped(node: MapNode, problems: Problems) -> Any:
        records = Sites().in_full().read(node, problems)
        if records is BAD or len(records) < len(node.entries):
            return BAD
        if any(one.has("trunk") and _trunk(one.part("trunk")) is None for one in records.values()):
            return BAD
        return [
            SiteEntry(
                site,
                record.own("region") or _region(site),
                record.own("share"),
                node.entries[site],
                _trunk(record.part("trunk")),
            )
            for site, record in records.items()
        ]

    def json_schema(self) -> dict[str, Any]:
        return {
            "oneOf": [
                {"type": "integer", "minimum": 1, "maximum": MOST_SITES},
                {"type": "array", "items": name().json_schema(), "minItems": 1, "uniqueItems": True},
                {"type": "object", "additionalProperties": SITE.json_schema(), "minProperties": 1},
            ]
        }


def _trunk(record: Record) -> Trunk | None:
    if record.own("rate") is None:
        return None
    return Trunk(record.own("rate"), record.value("queue"), record.value("latency"))


def _region(site: str) -> str:
    return site.rpartition("-")[0] or site


FLEET = Table(
    "the fleet",
    (
        Key("devices", whole("1", str(MOST_DEVICES), "10000"), "number of devices"),
        Key("cohort", whole("1", str(MOST_DEVICES), "100"), "live: so many are MQTT clients, the rest stays modelled"),
        Key(
            "phases",
            whole("1", "100", "10"),
            "at how many instants of its period a kind samples; each device has its own",
        ),
        Key("sites", Sites(), "where they stand: a number, a list, or name: {region, share, trunk}", default="1"),
        *DEVICE_DEFAULTS,
        Key(
            "segments",
            Named("a mapping of segments", SEGMENT, 200),
            "parts of the fleet, each of one kind",
            required=True,
        ),
        *later("lines", "zones"),
    ),
)


# --- broker, detectors, objectives ------------------------------------------------------------------------------------

CONNECTS = Table(
    "the limit of connects",
    (
        Key("rate", rate("1/d", "1000000/s", "1 %/s"), "connects admitted in a time", required=True),
        Key("burst", count("1", example="1 %"), "connects admitted at once after a calm"),
        Key("queue", count(example="1 %"), "connects that wait in order; the rest is refused at once"),
    ),
    may_be_none=True,
)

MESSAGES = Table(
    "the limit of messages",
    (
        Key("rate", rate("1/d", "100000000/s", "5000/s"), "messages passed on to the core in a time", required=True),
        Key("queue", whole("1", "1000000000", "100000"), "messages that wait for it; the rest is lost"),
    ),
    may_be_none=True,
)

BROKER = Table(
    "the broker",
    (
        Key(
            "model",
            Word("broker model", lambda: tuple(catalogue.BROKER_MODELS), code="S104"),
            "whose measured constants it has",
            default="amqtt",
        ),
        Key("connects", CONNECTS, "limit of new sessions: rate, burst, queue"),
        Key("handshake", duration("1 us", "10 s", "1075 us"), "what a connect costs the broker, as calibrated"),
        Key("backlog", whole("1", "1000000000", "1024"), "places of the handshake queue"),
        Key("messages", MESSAGES, "limit of messages toward the core: rate, queue"),
        Key(
            "offline_queue",
            whole("0", "1000000000", "1000"),
            "messages kept for a client that is away, at QoS 1 and 2; the rest is lost",
            default="1000",
        ),
    ),
)


# --- steps ------------------------------------------------------------------------------------------------------------

TRIGGERS = ("at", "after")
ACTIONS = ("fault", "end", "mark", "acknowledge", "wrong", "suppress", "serviced", "certified")
"""`expect` is an action only where none of these stands beside it."""

LATER_TRIGGERS = ("when", "hold", "every", "times")
LATER_ACTIONS = ("campaign", "command", "rotate", "set", "say", "ask", "pause")

BESIDE_FAULT = ("target", "lasts", "ramp", "with")

STEP = Table(
    "a step",
    (
        Key("name", name("a step's name", "outage"), "needed where the step is referred to"),
        Key("at", INSTANT, "when it happens"),
        Key("after", INSTANT, "when it happens; reads better behind another step"),
        Key("fault", FAULT, "starts a fault"),
        Key("end", name("a step's name", "outage"), "ends the fault of that step"),
        Key("mark", PROSE, "puts a text on the timeline"),
        Key(
            "acknowledge",
            name("an alarm's name", "silence"),
            "takes the incident of the newest open alarm of this name",
        ),
        Key("wrong", name("an alarm's name", "silence"), "marks the newest open alarm of this name as wrong"),
        Key("suppress", SELECTOR, "begins a maintenance window: no alarm speaks of these devices"),
        Key(
            "serviced",
            SELECTOR,
            "says that these devices were repaired, calibrated or replaced: detectors on values learn them anew",
        ),
        Key("certified", SELECTOR, "says that these devices have new certificates, which end after the run"),
        Key("expect", EXPRESSION, "a condition that must hold at that instant"),
        Key("target", SELECTOR, "devices that the fault reaches"),
        Key(
            "lasts",
            duration("1 ms", example="2 min"),
            "how long the fault or the window lasts; without it until the end",
        ),
        Key("ramp", duration(example="30 s"), "time to full reach", default="0 s"),
        Key("with", Raw("the settings of a fault"), "the fault's own settings"),
        *later(*LATER_TRIGGERS, *LATER_ACTIONS),
    ),
)


# --- expectations -----------------------------------------------------------------------------------------------------

ALARM = AlarmName("alarm", catalogue.detectors, code="S104", all_at="all: twinstorm list detectors", example="silence")
ALARM_OR_ANY = AlarmName(
    "alarm", lambda: ("any", *catalogue.detectors()), code="S104", all_at="`any`, or one of twinstorm list detectors"
)
STEP_NAME = name("a step's name", "outage")
WITHIN = duration("1 s", example="5 min")
BOUNDS = (
    Key("at_most", count(example="1"), "upper bound over the run"),
    Key("at_least", count(example="1"), "lower bound over the run"),
)

FORMS: Mapping[str, Table] = {
    "alarm": Table(
        "an expectation",
        (
            Key("alarm", ALARM, "this alarm is raised"),
            Key("after", INSTANT, "not before; by default the end of the warm-up"),
            Key("within", WITHIN, "not later than this after it"),
            Key("target", SELECTOR, "on at least one of these devices"),
            Key("severity", words("severity", *catalogue.SEVERITIES), "with this severity"),
        ),
    ),
    "no_alarm": Table(
        "an expectation",
        (
            Key("no_alarm", ALARM_OR_ANY, "this alarm is not raised; `any`: none at all"),
            Key("from", INSTANT, "from when; by default the end of the warm-up"),
            Key("to", INSTANT, "until when; by default the end of the run"),
            Key("target", SELECTOR, "on any of these devices; by default on any at all"),
        ),
    ),
    "recovered": Table(
        "an expectation",
        (
            Key("recovered", share("0.000001 %", example="99 %"), "so many of a fault's devices are online again"),
            Key("of", STEP_NAME, "the step with the fault", required=True),
            Key("within", WITHIN, "not later than this after its end"),
        ),
    ),
    "objective": Table(
        "an expectation",
        (
            Key("objective", name("an objective", "connected"), "this objective ends with a verdict"),
            Key("verdict", words("verdict", "held", "missed"), "this one, in place of held", required=True),
        ),
    ),
    "always": Table("an expectation", (Key("always", EXPRESSION, "it holds at every second"),)),
    "never": Table("an expectation", (Key("never", EXPRESSION, "it holds at no second"),)),
    "eventually": Table(
        "an expectation",
        (
            Key("eventually", EXPRESSION, "it holds at least once"),
            Key("after", INSTANT, "not before; by default the end of the warm-up"),
            Key("within", WITHIN, "not later than this after it"),
        ),
    ),
    "at": Table(
        "an expectation",
        (
            Key("at", INSTANT, "at this instant"),
            Key("that", EXPRESSION, "this holds", required=True),
        ),
    ),
    "count": Table(
        "an expectation",
        (
            Key(
                "count",
                Word("count", lambda: tuple(catalogue.COUNTS), code="S104"),
                "a number over the whole run",
            ),
            *BOUNDS,
        ),
    ),
    "ledger": Table(
        "an expectation",
        (
            Key(
                "ledger",
                Word("part of the ledger", lambda: tuple(catalogue.LEDGER), code="S104"),
                "a number of readings; a share is of those produced",
            ),
            *BOUNDS,
        ),
    ),
}
"""First key of an expectation to its keys."""

LATER_FORMS = ("campaign",)

STOP = Table(
    "the stop condition",
    (
        Key("when", EXPRESSION, "the run ends as soon as this holds", required=True),
        Key("hold", duration(most="1 d", example="30 s"), "for this long", default="0 s"),
    ),
)


# --- the file ---------------------------------------------------------------------------------------------------------

SCENARIO = Table(
    "a scenario",
    (
        Key("storm", words("version of the language", LANGUAGE), "version of the language, first line", required=True),
        Key("name", name("a scenario's name", "my-storm"), "name; the file is called after it", required=True),
        Key("story", PROSE, "what happens and what it teaches", required=True),
        Key("duration", duration("1 s", "53 w", "30 min"), "simulated time of the run", required=True),
        Key("fleet", FLEET, "who is there", required=True),
        Key("title", PROSE, "name as people read it"),
        Key("tags", Listing("a list of tags", name("a tag", "network")), "words to find it by"),
        Key("look_for", Listing("a list of sentences", PROSE), "what to watch while it runs"),
        Key("warm_up", duration(example="3 min"), "nothing is judged in it and no fault starts", default="0 s"),
        Key("start", CALENDAR, "calendar origin of the run"),
        Key("tick", duration("10 ms", "10 s", "100 ms"), "reserved: pace of screens; without effect", default="100 ms"),
        Key("firmware", Named("a mapping of versions", FIRMWARE, 50, VERSION), "what the devices of a version do"),
        Key("broker", BROKER, "what the devices connect to"),
        Key("detectors", Detectors(), "which detectors look, with their settings; by default all"),
        Key("objectives", Named("a mapping of objectives", OBJECTIVE), "what must hold over the run"),
        Key("steps", Raw("a list of steps"), "what happens"),
        Key("expect", Raw("a list of expectations"), "what must have happened"),
        Key("stop_when", STOP, "ends the run early"),
        Key("maintenance", MAINTENANCE, "who repairs machines, when, and what it costs"),
        Key("processing", PROCESSING, "who processes readings before the core has them, and how fast"),
        Key("stamps", STAMPS, "which readings say when they were where, for the latency of each stage"),
        Key("windows", Named("a mapping of windows", WINDOW, 50), "figures of what is measured, by their stamps"),
        Key("continuity", CONTINUITY, "who is silent: dead sensors told from dead links"),
        Key("joins", Named("a mapping of joins", JOIN, 50), "what two kinds of machine measure at one place"),
        Key("correlations", Named("a mapping of correlations", CORRELATION, 50), "windows that move together"),
        Key("routes", Named("a mapping of routes", ROUTE, 50), "where readings are sent on to; the first that fits"),
        *later("extends", "set", "parameters", "guests"),
    ),
)


@cache
def documented() -> Mapping[str, Key]:
    """Every key of the language by its path, for `twinstorm explain`; ``steps[n].lasts``, ``expect[n].within``."""

    def entries() -> Iterator[tuple[str, Key]]:
        yield from walk(SCENARIO)
        yield from walk(STEP, "steps[n]")
        for form in FORMS.values():
            yield from walk(form, "expect[n]")

    return dict(entries())
