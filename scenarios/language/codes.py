"""What each error code means: the pages of `twinstorm explain S102`. A code keeps its meaning for ever."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Code:
    """One kind of problem.

    Attributes:
        title: one line.
        explanation: when it is told and what to do.
    """

    title: str
    explanation: str


GROUPS: Mapping[str, str] = {
    "S1": "the file, its keys and names",
    "S2": "values",
    "S3": "selectors and references",
    "S4": "steps and expectations",
    "S5": "expressions",
    "S6": "files of OpenSLO",
}

CODES: Mapping[str, Code] = {
    "S101": Code(
        "the text is not YAML",
        "The file cannot be taken apart: a bracket or a quote sign is not closed, the indentation does not fit, or a "
        "value holds a sign that means something to YAML. Put a text with `: ` or ` #` into quotes or under `>`, and "
        "an expression with brackets or `%` on a line of its own instead of inside `{...}`. Indent with blanks.",
    ),
    "S102": Code(
        "unknown key",
        "The key means nothing at this place. Keys are snake_case; the allowed ones stand beside the error. A comma "
        "inside `{...}` ends a value, so what follows it is read as a key: give such a value a line of its own.",
    ),
    "S103": Code(
        "not yet in this version",
        "The word belongs to the language, but this version cannot do it yet. Remove it, or use a newer version.",
    ),
    "S104": Code(
        "unknown name",
        "No fault, kind of machine, link, broker model, detector, alarm, SLI or count has this name. `twinstorm list` "
        "tells what is installed.",
    ),
    "S105": Code(
        "a key is missing",
        "Something cannot be understood without this key. The place is where the mapping begins that should hold it.",
    ),
    "S106": Code(
        "a key stands twice",
        "A mapping has every key once. In most YAML readers the last of two wins silently; here you decide.",
    ),
    "S107": Code(
        "YAML that a scenario does not use",
        "Anchors, aliases, tags, merge keys, directives and further documents are refused, so that a line means what "
        "it says. What segments share stands once under `fleet`; a changed value is a `--set`.",
    ),
    "S108": Code(
        "another shape is wanted",
        "A list stands where a mapping belongs, or a single value where a list belongs, and so on.",
    ),
    "S109": Code(
        "not a name",
        "Names of scenarios, steps, segments, sites and objectives are kebab-case: small letters, digits and `-`, a "
        "letter first, at most 64 characters. A scenario in `my-storm.storm.yaml` is called `my-storm`. A step cannot "
        "be called `end`, which is the end of the run. A version of a firmware is digits, letters and `.`, `-`, `+`; "
        "to compare its order it must begin with numbers, `2.4`, and `2.x` is written `firmware=2.*`.",
    ),
    "S110": Code(
        "a name stands twice",
        "Two steps or two sites have the same name, so that nobody could tell which of them is meant.",
    ),
    "S111": Code(
        "there is no such scenario, or it cannot be read",
        "An argument with a `/` or ending in `.yaml` is a file, any other a name in the library (`twinstorm list`). A "
        "scenario is UTF-8 text of at most 1 MiB.",
    ),
    "S112": Code(
        "another version of the language",
        "The first line of a scenario says in which version of the language it is written: `storm: 1`.",
    ),
    "S113": Code(
        "a path leads nowhere",
        "The path of a `--set` goes through a list item that does not exist, or below a single value. Items are found "
        "by number (`steps[0].at`) or by name (`steps.outage.at`).",
    ),
    "S114": Code(
        "not PATH=VALUE",
        "`--set` wants the path that errors print, an equals sign and a value: `fleet.reconnect.jitter=none`, "
        "`steps.outage.lasts=5min`. A key with a dot stands in brackets: `firmware[2.5.0].size=2MB`.",
    ),
    "S115": Code(
        "a plug-in that cannot be used",
        "A kind of machine, a fault or a detector that another distribution brought along does not keep to its "
        "contract: it cannot be loaded, raises, or says of itself what cannot be. The message names it, its module and "
        "what is allowed. Nothing else is affected: whatever does not use it works.",
    ),
    "S116": Code(
        "there is no such model, or it cannot be read",
        "A detector with `model` uses a version that `twinstorm models` keeps, `NAME@VERSION`, or the live one, "
        "`NAME`. `store` is the folder of it, relative to the scenario (`models` if nothing is said); `twinstorm "
        "models list --store DIR` tells what a store has.",
    ),
    "S201": Code(
        "a duration without a unit",
        "Every duration has a unit: us, ms, s, min, h, d or w. `m` is read as minutes. `90 s`, `5 min`, `1h30min`.",
    ),
    "S202": Code(
        "not a duration",
        "A duration is one or more numbers with units, the larger unit first, nothing finer than 1 us. `1:30` is a "
        "time on a clock and nobody knows whether it means minutes or hours.",
    ),
    "S203": Code(
        "shares do not add up to 100 %",
        "The segments of a fleet, or its sites, share all of its devices. Sites without any share get the same each.",
    ),
    "S204": Code(
        "not one of the words that may stand here",
        "The value is one of a short list of words, which stands beside the error.",
    ),
    "S205": Code(
        "not a share",
        "A share is a number and `%`: `20 %`. `0.2` is refused, because nobody can tell it from 0.2 %.",
    ),
    "S206": Code(
        "not a rate",
        "A rate is a number and a time, `500/s` or `30/min`, or a share of the fleet's devices and a time, `1 %/s`: "
        "then a smaller fleet storms alike.",
    ),
    "S207": Code(
        "not a number",
        "Numbers are digits: `10000`. `10k`, `1e4` and `10,000` are refused, because readers disagree about them. "
        "Where a count is wanted, `1 %` means a share of the fleet's devices.",
    ),
    "S208": Code(
        "not a size or quantity",
        "A size is a number with B or bit and a prefix: k is 1000, Ki is 1024. A quantity is a number and its unit.",
    ),
    "S209": Code(
        "not a range, or no range wanted",
        "A range is two durations, the smaller first: `8 s .. 12 s`. Only some keys take one; then each device, or "
        "each run, draws its own.",
    ),
    "S210": Code(
        "too little or too much",
        "The value is readable, but outside of what makes sense or can be computed. The bound stands in the message.",
    ),
    "S211": Code(
        "not an instant",
        "An instant is a duration from the start of the run (`5 min`), the start or the end of a step (`outage`, "
        "`outage.end`) or the end of the run (`end`), the latter with `+ 30 s` or `- 30 s` behind it. It is never a "
        "time on a clock.",
    ),
    "S212": Code(
        "values that contradict each other",
        "Each value is fine by itself, but they do not go together: two bounds of one objective, two verdicts for it, "
        "a first wait longer than the longest, a warm-up longer than the run, devices behind gateways that their site "
        "has none of, certificates of one batch that end at two times.",
    ),
    "S213": Code(
        "not an instant of the calendar",
        "`start` is written as RFC 3339 with seconds and an offset: `2030-01-07T00:00:00Z`.",
    ),
    "S214": Code(
        "a value is missing",
        "The key stands there with nothing behind it.",
    ),
    "S215": Code(
        "not a condition of a channel",
        "`when` of `maintenance` compares a channel with a value: `vibration_x_mm_s > 4.5 mm/s for 10 min`. Without a "
        "unit the value is in the one that the channel's name ends in; several conditions stand with `or` between. In "
        "`routes` all must hold at once: `winding_temperature_c > 80 C and current_a > 5`.",
    ),
    "S216": Code(
        "no topic of devices",
        "A topic of a wire profile is words between `/`, of which some differ from device to device: `{site}` and "
        "`{device}`, which are needed, `{segment}`, `{kind}` and `{codec}`. Each stands alone in its level, and the "
        "first level is a word. `+`, `#`, `$` and blanks mean something to MQTT or look like a mistake.",
    ),
    "S217": Code(
        "not an address of a page",
        "A runbook is a page that whoever is called can open: `https://example.org/runbooks/silence`, with `http` or "
        "`https`, without blanks, at most 2,000 signs.",
    ),
    "S218": Code(
        "not a channel of a kind of machine",
        "A window looks at one channel of one kind: the kind, a dot and the channel, `motor.winding_temperature_c`. "
        "Names of channels are small letters, digits and `_`. `twinstorm explain motor` lists those of a motor.",
    ),
    "S219": Code(
        "not a topic filter",
        "A filter is levels between `/` as in MQTT: `+` alone in a level stands for any one, `#` alone in the last for "
        "all that follow: `fleet/+/fra-1/#`.",
    ),
    "S301": Code(
        "a selector matches no device",
        "A fault on nobody proves nothing, so a selector of fixed keys must name at least one device of this fleet. "
        "With a smaller `--devices` a small part can become none.",
    ),
    "S302": Code(
        "there is no such step, objective, window, join or route",
        "An instant or an expectation refers to a step or an objective by a name that none has, or an expression to a "
        "window, a join, a correlation or a route. A step without a name is called after its place: `step-1`, "
        "`step-2` and so on.",
    ),
    "S303": Code(
        "not a selector",
        "A selector is terms with blanks between them, all of which must hold: `site=fra-* segment=motors,pumps`. A "
        "comma means any of these, `*` any characters, `!=` none of these; `firmware` and `battery` have an order. "
        "`all` is everybody. Last may stand `share=20 %` or `first=50`.",
    ),
    "S304": Code(
        "unknown key of a selector",
        "Devices are selected by id, region, site, zone, segment, kind, firmware, link, gateway, origin, and by their "
        "state or battery at the moment.",
    ),
    "S305": Code(
        "a key of the moment where it cannot stand",
        "`state` and `battery` change while the run goes on. The target of a step may ask for them (they are looked at "
        "once, when the step starts), and so may `share[...]` and `count[...]`; objectives and SLIs may not, or their "
        "devices would change under them.",
    ),
    "S307": Code(
        "the step has no fault, or no end",
        "`end: STEP` and `recovered ... of: STEP` need a step with a fault, `STEP.end` one that ends: by `lasts`, or "
        "by a step with `end`. A mark has no end.",
    ),
    "S308": Code(
        "nobody looks for that alarm",
        "An alarm is raised by the detector of its name. Where `detectors` leaves that one out, `alarm` can only be "
        "missed and `no_alarm` holds whatever happens; where it is empty, the same goes for every bound of alarms, "
        "pages and incidents. Add the detector, or remove `detectors`: then the default ones look.",
    ),
    "S309": Code(
        "a fault that these machines cannot have",
        "Faults of sensors name a channel and speak in its unit; faults of machines name a way to fail. Some kind "
        "among the targeted devices must have it, or the fault would do nothing: `twinstorm explain KIND` lists both. "
        "Faults of gateways need gateways that carry devices, with a spare or a disk where they speak of one, and "
        "`consumer-crash` needs the consumers of `processing`. Channels that detectors on values, `windows`, `joins` "
        "and `routes` look at must be those of some machine of the fleet, too; a stored model is of one kind of "
        "machine, which the fleet must have; and `expiring-certificates` needs a segment that says when they end.",
    ),
    "S310": Code(
        "a figure of what the scenario does not have",
        "Breakdowns, repairs, parts, downtime and cost are figures of `maintenance`; lag, consumers and shed of "
        "`processing`; dead sensors and links of `continuity`. Without it they would stay 0, and what bounds them "
        "would hold whatever happens.",
    ),
    "S401": Code("a step has two triggers", "A step happens `at` an instant or `after` one. Keep one of the two."),
    "S402": Code("a step has no trigger", "Say when it happens: `at: 5 min`, or `after: outage.end + 30 s`."),
    "S403": Code(
        "a step has no action",
        "Say what happens: `fault: NAME`, `end: STEP`, `mark: TEXT`, or only `expect: EXPRESSION`.",
    ),
    "S404": Code(
        "a step has more than one action",
        "One step, one action; two steps may have the same instant and happen in the order of the file. `expect` may "
        "stand beside any action.",
    ),
    "S405": Code(
        "a key that belongs beside a fault",
        "`target`, `lasts`, `ramp` and `with` describe a fault and say nothing about other actions.",
    ),
    "S406": Code(
        "steps wait for each other",
        "Following the instants of these steps leads in a circle. Give one of them an instant from the start of the "
        "run.",
    ),
    "S407": Code(
        "in the warm-up",
        "During the warm-up the fleet settles: no fault may start and nothing is judged.",
    ),
    "S408": Code(
        "outside of the run",
        "The instant lies before the start or after the end of the run, so that it would never come.",
    ),
    "S409": Code(
        "a fault that ends twice, or before it begins",
        "A fault ends by `lasts` or by one step with `end`, later than it begins.",
    ),
    "S410": Code(
        "a target is missing, or cannot be",
        "Most faults act on devices and need `target`; some act on the broker and take none.",
    ),
    "S411": Code(
        "the first key of an expectation names its form",
        "Write `{alarm: reboot-storm, within: 60 s}`, not `{within: 60 s, alarm: reboot-storm}`.",
    ),
    "S501": Code(
        "unknown name in an expression",
        "Names in expressions are SLIs and counters: `twinstorm explain expressions` lists them.",
    ),
    "S502": Code(
        "not part of an expression",
        "An expression has numbers with units, names, `NAME[SELECTOR]`, `( ) + - * /`, `< <= > >= = !=`, `and or not` "
        "and the functions min, max, abs, avg, rate, baseline, share, count, and window, difference, pairs, "
        "correlation, routed of a name. Nothing else: no strings, no other calls.",
    ),
    "S503": Code(
        "units that do not go together",
        "A share is compared with a share (`connectivity < 85 %`), a count with a number (`online < 9000`), a rate "
        "with a rate (`rate(attempts, 1 min) > 100/s`). A count divided by a count is a share.",
    ),
    "S504": Code(
        "not a condition",
        "What is expected is true or false: compare the value with something.",
    ),
    "S505": Code(
        "too long or too deep",
        "An expression has at most 200 characters and 8 levels. Several expectations hold together: split it.",
    ),
    "S506": Code(
        "chained comparisons",
        "Write `a > 1 and a < 5`, not `1 < a < 5`.",
    ),
    "S507": Code(
        "not a pattern of events",
        "A pattern is events with `then` between them and the time in which all must come: `disconnect then connect "
        "within 5 s without boot`, `3 x will within 5 min`. `twinstorm explain pattern` has the events.",
    ),
    "S601": Code(
        "OpenSLO can say it and a scenario cannot",
        "Objectives here bound a share of counts, over the run: metric sources are of type `twinstorm`, time windows "
        "move with time, the budgeting method is `Occurrences`. Queries of other systems, metrics that are compared "
        "with a value, ratios computed elsewhere, calendars and SLOs of several indicators mean nothing to a fleet "
        "that is simulated.",
    ),
    "S602": Code(
        "there is no such document",
        "A document refers to another one by name, and the file has none of that kind and name. What an SLO refers to "
        "stands in the same file.",
    ),
}
