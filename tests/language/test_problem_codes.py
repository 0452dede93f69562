"""Every code is told by some case, at its place, with advice; and every code has a page."""

# ruff: noqa: E501 - a table reads best with one case a line

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.strangers import Install
from twinstorm.scenarios.language import values
from twinstorm.scenarios.language.codes import CODES, GROUPS
from twinstorm.scenarios.language.errors import Problem, Refused, ScenarioErrors, Source
from twinstorm.scenarios.language.reader import load, read
from twinstorm.scenarios.openslo_reading import import_objectives

Change = tuple[str, str]

STEP = "  - name: outage\n    at: 5 min\n    fault: power-outage\n    target: site=fra-*\n    lasts: 2 min\n"


def step(text: str) -> Change:
    """A further step."""
    return ("\nexpect:\n", f"{text}\n\nexpect:\n")


def expectation(text: str) -> Change:
    """A further expectation; line 41."""
    return ("at_most: 0.1 %}\n", f"at_most: 0.1 %}}\n  - {text}\n")


def crews(text: str) -> Change:
    """Maintenance; line 25."""
    return ("\nobjectives", f"\nmaintenance: {text}\n\nobjectives")


def windows(text: str) -> Change:
    """Windows; line 25."""
    return ("\nobjectives", f"\nwindows: {text}\n\nobjectives")


WATCHED = ("\nobjectives", "\ndetectors: [silence]\n\nobjectives")
UNWATCHED = ("\nobjectives", "\ndetectors: []\n\nobjectives")
NO_STORM = ("alarm: reboot-storm, after: outage.end, within: 60 s", "always: online <= devices")
NO_PAGES = ("count: pages, at_most: 1", "count: reboots, at_least: 1")

CASES: list[tuple[str, list[Change], str, str, str, str]] = [
    # code, changes of the storm, line:column, path, words of the message, words of the advice
    ("S101", [("cap: 120 s", "cap: 120 s]")], "15:58", "", "this is not YAML", "close the bracket"),
    ("S102", [("jitter:", "jiter:")], "15:60", "fleet.reconnect.jitter", "unknown key `jiter`", "`jitter`?  allowed: backoff"),
    ("S102", [("warm_up:", "warm-up:")], "8:1", "warm_up", "unknown key `warm-up`", "did you mean `warm_up`?"),
    ("S102", [("1}", "1, foo}")], "39:32", "expect[2].foo", "unknown key `foo`", "a comma ends a value"),
    ("S102", [expectation("{alrm: silence}")], "41:6", "expect[4].alarm", "unknown key `alrm`", "did you mean `alarm`?"),
    ("S102", [expectation("{count: pages, at_mots: 1, at_least: 0}")], "41:20", "expect[4].at_most", "`at_mots`", "`at_most`?"),
    ("S103", [("duration:", "extends: x\nduration:")], "7:1", "extends", "not yet in this version", "remove it for now"),
    ("S103", [("  devices: 10000", "  zones: 4\n  devices: 10000")], "11:3", "fleet.zones", "not yet", "remove it"),
    ("S103", [(STEP, STEP + "    say: Look!\n")], "35:5", "steps[0].say", "the key `say` is not yet", "remove it"),
    ("S103", [("sli: connectivity", "sli: delivery_time")], "26:20", "objectives.connected.sli", "not yet", "allowed: freshness"),
    ("S103", [step("  - {at: 6 min, say: Look!}")], "35:17", "steps[1].say", "the key `say` is not yet", "remove it"),
    ("S103", [step("  - {when: online > 3, mark: x}")], "35:6", "steps[1].when", "the key `when` is not yet", "remove it"),
    ("S103", [step("  - {at: 6 min, campaign: 2.5.0, target: all, with: {soak: 1 h}}")], "35:17", "steps[1].campaign", "not yet", "remove it"),
    ("S103", [expectation("{campaign: x}")], "41:6", "expect[4].campaign", "not yet", "allowed: alarm"),
    ("S103", [expectation("never: delivery_time > 1 s")], "41:12", "expect[4].never", "`delivery_time` is not yet", "SLIs:"),
    ("S104", [("fault: power-outage", "fault: power-outag")], "32:12", "steps[0].fault", "unknown fault `power-outag`", "did you mean `power-outage`?  all: twinstorm list faults"),
    ("S104", [("kind: motor", "kind: moter")], "18:20", "fleet.segments.motors.kind", "unknown kind of machine `moter`", "did you mean `motor`?"),
    ("S104", [("link: wifi", "link: wify")], "19:66", "fleet.segments.climate.link", "unknown link `wify`", "`wifi`?  allowed: ethernet, wifi"),
    ("S104", [("model: amqtt", "model: amqt")], "22:10", "broker.model", "unknown broker model `amqt`", "did you mean `amqtt`?"),
    ("S104", [("sli: connectivity", "sli: conectivity")], "26:20", "objectives.connected.sli", "unknown SLI", "`connectivity`?"),
    ("S104", [("alarm: reboot-storm", "alarm: reboot-strom")], "37:13", "expect[0].alarm", "unknown alarm", "`reboot-storm`?"),
    ("S104", [("\nobjectives", "\ndetectors: [silense]\n\nobjectives")], "25:13", "detectors[0]", "unknown detector", "`silence`?"),
    ("S105", [("story: >\n", "title: >\n")], "1:1", "story", "the key `story` is missing", "add `story: ...`"),
    ("S105", [("kind: motor, ", "")], "18:5", "fleet.segments.motors.kind", "`kind` is missing", "kind of machine"),
    ("S105", [("share: 80 %, ", "")], "18:5", "fleet.segments.motors.share", "`share` is missing", "or `devices`"),
    ("S105", [("  devices: 10000\n", "")], "10:1", "fleet.devices", "`devices` is missing", "add `devices: ...`"),
    ("S105", [("sli: connectivity, at_least: 90 %", "sli: backlog")], "26:3", "objectives.connected.at_least", "`at_least` is missing", "no target"),
    ("S105", [("sli: connectivity, ", "")], "26:3", "objectives.connected.sli", "`sli` is missing", "`connected` is no SLI by itself"),
    ("S105", [("count: pages, at_most: 1", "count: pages")], "39:5", "expect[2].at_most", "missing", "or `at_least`"),
    ("S105", [(" of: outage,", "")], "38:5", "expect[1].of", "`of` is missing", "the step with the fault"),
    ("S105", [("rate: 1 %/s, ", "")], "23:3", "broker.connects.rate", "`rate` is missing", "add `rate"),
    ("S106", [("warm_up: 3 min", "warm_up: 3 min\nwarm_up: 4 min")], "8:1 and 9:1", "warm_up", "`warm_up` stands here twice", "remove one"),
    ("S107", [("duration: 30 min", "duration: &x 30 min")], "7:11", "duration", "no anchor `&x`", "remove it"),
    ("S108", [("[arn-1, fra-1, fra-2, fra-3, sin-1]", "[{a: b}]")], "12:11", "fleet.sites[0]", "this is a mapping", "write `fra-1`"),
    ("S108", [("{rate: 1 %/s, burst: 1 %, queue: 1 %}", "nothing")], "23:13", "broker.connects", "or none, is wanted here", "`key: value`"),
    ("S108", [("{readings: 300, evict: oldest}", "300")], "16:11", "fleet.buffer", "a single value", "`{key: value}`"),
    ("S108", [("  reconnect: {", "  reconnect: [{"), ("10 s}", "10 s}]")], "15:3", "fleet.reconnect", "this is a list", "`key: value`"),
    ("S108", [(STEP, "  at: 5 min\n")], "29:1", "steps", "a list of steps is wanted", "begin every entry with `-`"),
    ("S108", [("\nfleet", "\ntags: storm\n\nfleet")], "10:7", "tags", "a list of tags is wanted", "write `[storm]`"),
    ("S108", [expectation("online > 5")], "41:5", "expect[4]", "an expectation is a mapping", "write `always: online > 5`"),
    ("S108", [("alarm: reboot-storm", "alarm: [reboot-storm]")], "37:13", "expect[0].alarm", "an alarm is wanted", "write `silence`"),
    ("S108", [("sli: connectivity", "sli: {a: b}")], "26:20", "objectives.connected.sli", "an SLI is wanted", "write `freshness`"),
    ("S108", [("\nobjectives", "\ndetectors: 3\n\nobjectives")], "25:12", "detectors", "a list or a mapping of detectors is wanted", "`key: value`"),
    ("S108", [("devices: 10000", "devices: [10000]")], "11:12", "fleet.devices", "a whole number is wanted", "`10000`"),
    ("S109", [("name: reboot-storm", "name: storm")], "2:7", "name", "the file is called `reboot-storm.storm.yaml`", "write `name: reboot-storm`, or rename"),
    ("S109", [("name: reboot-storm", "name: Reboot_Storm")], "2:7", "name", "is not a kebab-case name", "write `reboot-storm`"),
    ("S109", [("    motors:", "    Motors:")], "18:5", "fleet.segments.Motors", "`Motors` is not a kebab-case name", "write `motors`"),
    ("S109", [step("  - {name: end, at: 6 min, mark: x}")], "35:12", "steps[1].name", "means the end of the run", "choose another"),
    ("S109", [("target: site=fra-*", "target: firmware<2.x")], "33:22", "steps[0].target", "`2.x` is not a version", "write `firmware<2` or `firmware=2.*`"),
    ("S110", [step("  - {name: outage, at: 6 min, mark: x}")], "30:11 and 35:12", "steps[1].name", "two steps have the name `outage`", "rename"),
    ("S110", [step("  - {name: step-3, at: 6 min, mark: x}\n  - {at: 7 min, mark: y}")], "35:12 and 36:5", "steps[2]", "`step-3`", "rename"),
    ("S110", [("fra-3", "fra-2")], "12:32", "fleet.sites[3]", "the site `fra-2` stands here twice", "a name of its own"),
    ("S112", [("storm: 1", "storm: 2")], "1:8", "storm", "this is version `2` of the language", "write `storm: 1`"),
    ("S112", [("storm: 1\nname: reboot-storm\n", "name: reboot-storm\nstorm: 1\n")], "2:1", "storm", "not the first key", "first line"),
    ("S201", [("at: 5 min", "at: 300")], "31:9", "steps[0].at", "a duration needs a unit, `300` has none", "write `300 s` or `5 min`"),
    ("S201", [("of: outage, within: 5 min", "of: outage, within: 300")], "38:43", "expect[1].within", "needs a unit", "write `300 s`"),
    ("S202", [("duration: 30 min", "duration: 1:30")], "7:11", "duration", "a time on a clock", "write `1 min 30 s`"),
    ("S203", [("share: 20 %", "share: 30 %")], "17:3", "fleet.segments", "shares of the segments add up to 110 %", "motors 80 %, climate 30 %: take 10 % from one of them"),
    ("S203", [("share: 20 %", "share: 15.5 %")], "17:3", "fleet.segments", "add up to 95.5 %", "climate 15.5 %: add 4.5 % to one of them"),
    ("S203", [("[arn-1, fra-1, fra-2, fra-3, sin-1]", "{arn-1: {share: 50 %}, fra-1: {share: 40 %}}")], "12:3", "fleet.sites", "shares of the sites add up to 90 %", "add 10 %"),
    ("S204", [("jitter: full", "jitter: ful")], "15:68", "fleet.reconnect.jitter", "unknown jitter `ful`", "did you mean `full`?  allowed: none, equal, full"),
    ("S204", [("  buffer", "  qos: 3\n  buffer")], "16:8", "fleet.qos", "unknown quality of service `3`", "allowed: 0, 1, 2"),
    ("S205", [("share: 80 %", "share: 0.8")], "18:34", "fleet.segments.motors.share", "a share needs `%`", "write `80 %`"),
    ("S206", [("rate: 1 %/s", "rate: 100")], "23:20", "broker.connects.rate", "a rate needs a time", "write `100/s`"),
    ("S207", [("devices: 10000", "devices: 10k")], "11:12", "fleet.devices", "not a whole number", "write `10000`"),
    ("S207", [("at_most: 1}", "at_most: one}")], "39:29", "expect[2].at_most", "not a whole number", "write digits only"),
    ("S209", [("8 s .. 12 s", "12 s .. 8 s")], "14:9", "fleet.boot", "ends before it begins", "write `8 s .. 12 s`"),
    ("S209", [("lasts: 2 min", "lasts: 1 min .. 2 min")], "34:12", "steps[0].lasts", "is a range", "write one of its ends"),
    ("S210", [("cap: 120 s", "cap: 25 min")], "15:53", "fleet.reconnect.cap", "`25 min` is more than 20 min", "write `20 min` or less"),
    ("S210", [("burst: 1 %", "burst: 0")], "23:34", "broker.connects.burst", "`0` is less than 1", "write `1` or more"),
    ("S210", [("rate: 1 %/s", "rate: 0 %/s")], "23:20", "broker.connects.rate", "`0 %/s` is nothing", "more than 0 %"),
    ("S210", [("share: 20 %", "share: 120 %")], "19:41", "fleet.segments.climate.share", "more than 100 %", "between"),
    ("S210", [("sli: connectivity, at_least: 90 %", "sli: connectivity, at_least: 150 %")], "26:44", "objectives.connected.at_least", "`150 %` is more than 100 %", "between"),
    ("S210", [("[arn-1, fra-1, fra-2, fra-3, sin-1]", "[]")], "12:3", "fleet.sites", "1 to 10000 sites", "at least one"),
    ("S210", [("keep_alive: 60 s", "keep_alive: 2 d")], "13:15", "fleet.keep_alive", "more than 18 h", "`18 h` or less"),
    ("S211", [("after: outage.end", "after: outage.begin")], "37:34", "expect[0].after", "`outage.begin` is not an instant", "`outage.end`"),
    ("S212", [("base: 1 s", "base: 3 min")], "15:43", "fleet.reconnect.base", "the first wait, 3 min, is longer than the longest, 2 min", "`cap` larger"),
    ("S212", [("warm_up: 3 min", "warm_up: 30 min")], "8:10", "warm_up", "leaves nothing of the run", "shorter"),
    ("S212", [("at_least: 90 %}\n  f", "at_least: 90 %, at_most: 95 %}\n  f")], "26:34 and 26:50", "objectives.connected", "two bounds", "keep one"),
    ("S212", [("sli: connectivity,", "sli: connectivity, within: 5 s,")], "26:34", "objectives.connected.within", "does not go with `connectivity`", "remove it"),
    ("S212", [("share: 80 %,", "share: 80 %, devices: 5,")], "18:27 and 18:40", "fleet.segments.motors", "a share and a number", "keep one"),
    ("S212", [("share: 80 %", "devices: 8000")], "17:3", "fleet.segments", "segment `climate` has a share, segment `motors` a number", "shares everywhere"),
    ("S212", [("share: 80 %", "devices: 80"), ("share: 20 %", "devices: 20")], "11:12", "fleet.devices", "100 devices together, `devices` says 10,000", "remove"),
    ("S212", [("[arn-1, fra-1,", "{arn-1: {share: 50 %}, fra-1: {}}  # [")], "12:33", "fleet.sites", "site `fra-1` has no share", "or none"),
    ("S212", [("lasts: 2 min", "lasts: 2 min\n    ramp: 3 min")], "35:11", "steps[0].ramp", "3 min to full reach and lasts 2 min", "shorter"),
    ("S212", [expectation("{no_alarm: silence, from: 20 min, to: 10 min}")], "41:43", "expect[4].to", "`to` comes before `from`", "exchange"),
    ("S212", [("at_most: 1}", "at_most: 1, at_least: 2}")], "39:29", "expect[2].at_most", "`at_least` is more than `at_most`", "exchange"),
    ("S212", [("at_most: 0.1 %}", "at_most: 0.1 %, at_least: 2}")], "40:29", "expect[3].at_most", "one bound is a share", "alike"),
    ("S212", [expectation("{objective: fresh, verdict: held}\n  - {objective: fresh, verdict: missed}")], "42:33 and 41:33", "expect[5].verdict", "objective `fresh` is expected to be held and to be missed", "remove one"),
    ("S213", [("warm_up", "start: 2030-01-07\nwarm_up")], "8:8", "start", "not an instant of the calendar", "`2030-01-07T00:00:00Z`"),
    ("S214", [("at: 5 min", "at:")], "31:5", "steps[0].at", "an instant is missing", "write `outage.end + 30 s`"),
    ("S301", [("target: site=fra-*", "target: site=iad-*")], "33:13", "steps[0].target", "`site=iad-*` matches 0 of 10,000 devices", "sites: arn-1, fra-1, fra-2, fra-3, sin-1"),
    ("S301", [("target: site=fra-*", "target: kind=moter site=fra-1")], "33:13", "steps[0].target", "matches 0", "did you mean `motor`?  kinds: motor, environment"),
    ("S301", [("target: site=fra-*", "target: kind=motor segment=climate")], "33:13", "steps[0].target", "matches 0", "no device has all"),
    ("S301", [("target: site=fra-*", "target: site!=arn-1,fra-*,sin-1")], "33:13", "steps[0].target", "matches 0", "it leaves nothing; sites: arn-1"),
    ("S301", [("target: site=fra-*", "target: firmware<1.0")], "33:13", "steps[0].target", "matches 0", "versions: 1.0.0"),
    ("S301", [("    climate", "    o: {kind: motor, share: 0 %}\n    climate"), ("target: site=fra-*", "target: segment=o")], "34:13", "steps[0].target", "matches 0", "its part of the fleet is too small for one device; segments: motors, climate"),
    ("S301", [("target: site=fra-*", "target: all share=0.001 %")], "33:13", "steps[0].target", "matches 0", "take a larger one"),
    ("S301", [expectation("never: connectivity[site=fra-9] < 5 %")], "41:25", "expect[4].never", "`site=fra-9` matches 0", "sites: arn-1"),
    ("S301", [expectation("{alarm: silence, target: segment=motor}")], "41:30", "expect[4].target", "matches 0", "`motors`?  segments: motors, climate"),
    ("S301", [("sli: connectivity,", "sli: connectivity, of: region=usa,")], "26:38", "objectives.connected.of", "matches 0", "regions: arn, fra, sin"),
    ("S102", [crews("{policy: condition, wen: speed_rpm < 9}")], "25:34", "maintenance.when", "unknown key `wen`", "did you mean `when`?"),
    ("S204", [crews("{policy: conditon}")], "25:23", "maintenance.policy", "unknown policy `conditon`", "did you mean `condition`?  allowed: run-to-failure"),
    ("S105", [crews("{policy: condition}")], "25:1", "maintenance.when", "`when` is missing", "what is asked of a channel"),
    ("S105", [crews("{policy: preventive}")], "25:1", "maintenance.interval", "`interval` is missing", "how often"),
    ("S204", [("keep_alive: 60 s", "codec: cborr")], "13:10", "fleet.codec", "unknown codec `cborr`", "did you mean `cbor`"),
    ("S104", [("keep_alive: 60 s", "wire: flat")], "13:9", "fleet.wire", "unknown wire profile `flat`", "ends in `.yaml`"),
    ("S111", [("keep_alive: 60 s", "wire: no-such.yaml")], "13:9", "fleet.wire", "cannot be read: No such file", "beside the scenario"),
    ("S216", [("keep_alive: 60 s", "wire: {wire: 1, name: p, topics: {telemetry: 'p/{site}/{devic}', state: 'p/s/{site}/{device}'}}")], "13:48", "fleet.wire.topics.telemetry", "unknown placeholder `{devic}`", "did you mean `{device}`"),
    ("S215", [crews("{policy: condition, when: vibration is high}")], "25:40", "maintenance.when", "`vibration is high` is not a condition", "for 10 min"),
    ("S215", [crews("{policy: condition, when: speed_rpm < 9 or low}")], "25:57", "maintenance.when", "`low` is not a condition", "for 10 min"),
    ("S104", [crews("{policy: condition, when: vibration_mm_s > 4.5}")], "25:40", "maintenance.when", "unknown channel `vibration_mm_s`", "did you mean `vibration_"),
    ("S208", [crews("{policy: condition, when: vibration_x_mm_s > 4.5 kPa}")], "25:40", "maintenance.when", "is in mm/s, not in kPa", "write `4.5 mm/s`"),
    ("S210", [crews("{policy: condition, when: vibration_x_mm_s > 4.5 km/h}")], "25:40", "maintenance.when", "lies between 0 and 50 mm/s", "that it can have"),
    ("S208", [crews("{policy: run-to-failure, travel: 60 km/min}")], "25:47", "maintenance.travel", "`60 km/min` is not a speed", "write `60 km/h`"),
    ("S206", [crews("{policy: run-to-failure, cost: {downtime: 1 %/h}}")], "25:56", "maintenance.cost.downtime", "is a share, not a cost", "write `100/h`"),
    ("S104", [crews("{policy: run-to-failure, crews: {ar: 1, fra: 1, sin: 1}}")], "25:47", "maintenance.crews", "unknown region `ar`", "did you mean `arn`?"),
    ("S212", [crews("{policy: run-to-failure, crews: {arn: 1}}")], "25:39", "maintenance.crews", "nobody serves fra, sin", "narrow `of`"),
    ("S212", [crews("{policy: run-to-failure, repair: 1 h .. 2 h, spread: exponential}")], "25:47", "maintenance.repair", "not both", "its mean"),
    ("S212", [crews("{policy: run-to-failure, lead: 2 d}")], "25:39", "maintenance.lead", "nobody runs out", "add `spares`"),
    ("S217", [("\nobjectives", "\ndetectors: {silence: {runbook: silence.md}}\n\nobjectives"), NO_STORM], "25:32", "detectors.silence.runbook", "`silence.md` is not an address", "https://example.org/"),
    ("S212", [("sli: connectivity,", "sli: connectivity, runbook: https://example.org/a,")], "26:34", "objectives.connected.runbook", "raises no alarm that could tell of it", "add `burn: 30 d`"),
    ("S218", [windows("{heat: {of: motor, every: 1 min}}")], "25:22", "windows.heat.of", "`motor` is no channel", "a dot and the channel"),
    ("S219", [("\nobjectives", "\nroutes: {all: {topic: a/#/b, to: store}}\n\nobjectives")], "25:23", "routes.all.topic", "`a/#/b` is no topic filter", "`+` stands for one"),
    ("S309", [windows("{heat: {of: motr.current_a, every: 1 min}}")], "25:22", "windows.heat.of", "no machine of the fleet is `motr`", "did you mean `motor`?"),
    ("S309", [windows("{heat: {of: motor.temperature, every: 1 min}}")], "25:22", "windows.heat.of", "no channel `temperature`", "`motor.winding_temperature_c`?"),
    ("S302", [windows("{heat: {of: motor.current_a, every: 1 min}}"), ("at_most: 0.1 %}\n", "at_most: 0.1 %}\n  - never: window(haet) > 3\n")], "43:19", "expect[4].never", "there is no window `haet`", "did you mean `heat`?"),
    ("S302", [expectation("never: window(heat) > 3")], "41:19", "expect[4].never", "there is no window `heat`", "add `windows: {heat:"),
    ("S502", [expectation("never: window() > 3")], "41:12", "expect[4].never", "`window` takes a name", "write window(NAME)[SELECTOR]"),
    ("S301", [crews("{policy: run-to-failure, of: site=iad}")], "25:43", "maintenance.of", "matches 0", "sites: arn-1"),
    ("S305", [crews("{policy: run-to-failure, of: state=online}")], "25:43", "maintenance.of", "changes while the run goes on", "here: id"),
    ("S310", [expectation("{count: repairs, at_least: 1}")], "41:13", "expect[4].count", "no `repairs` without `maintenance`", "add `maintenance"),
    ("S310", [expectation("never: downtime > 1 h")], "41:12", "expect[4].never", "no `downtime` without", "add `maintenance"),
    ("S310", [expectation("never: shed > 0")], "41:12", "expect[4].never", "no `shed` without `processing`", "add `processing"),
    ("S302", [("of: outage", "of: outgae")], "38:27", "expect[1].of", "there is no step `outgae`", "did you mean `outage`?  steps: outage"),
    ("S302", [("after: outage.end", "after: outge.end")], "37:34", "expect[0].after", "there is no step `outge`", "`outage`?"),
    ("S302", [step("  - {at: 6 min, end: blackout}")], "35:22", "steps[1].end", "there is no step `blackout`", "steps: outage, step-2"),
    ("S302", [expectation("{objective: conected, verdict: missed}")], "41:17", "expect[4].objective", "there is no objective", "`connected`?  objectives: connected, fresh"),
    ("S303", [("target: site=fra-*", "target: site")], "33:13", "steps[0].target", "`site` has no value", "write `site=...`"),
    ("S303", [("target: site=fra-*", "target: site=fra-1 firmware<2,3")], "33:24", "steps[0].target", "several values", "keep one"),
    ("S304", [("target: site=fra-*", "target: sight=fra-*")], "33:13", "steps[0].target", "not something devices are selected by", "did you mean `site`?"),
    ("S305", [("sli: connectivity,", "sli: connectivity, of: state=online,")], "26:38", "objectives.connected.of", "changes while the run goes on", "in the target of a step"),
    ("S305", [expectation("{alarm: silence, target: battery<20 %}")], "41:30", "expect[4].target", "`battery` changes", "target of a step"),
    ("S305", [expectation("never: connectivity[state=online] < 5 %")], "41:25", "expect[4].never", "`state` changes", "share[...]"),
    ("S307", [step("  - {name: note, at: 6 min, mark: x}"), expectation("{recovered: 99 %, of: note}")], "42:27", "expect[4].of", "step `note` has no fault", "steps with a fault: outage"),
    ("S307", [step("  - {name: note, at: 6 min, mark: x}\n  - {after: note.end, mark: y}")], "36:13", "steps[2].after", "step `note` has no end", "write `note`"),
    ("S307", [("    lasts: 2 min\n", ""), ("after: outage.end", "after: 9 min")], "37:27", "expect[1].of", "step `outage` has no end", "give it `lasts`"),
    ("S307", [("    lasts: 2 min\n", ""), ("{recovered: 99 %, of: outage, within: 5 min}", "{no_alarm: any}")], "36:34", "expect[0].after", "step `outage` has no end", "give it `lasts`"),
    ("S102", [("share: 80 %,", "share: 80 %, machine: {dty: 90 %},")], "18:50", "fleet.segments.motors.machine.duty", "unknown key `dty`", "did you mean `duty`?"),
    ("S208", [("share: 80 %,", "share: 80 %, machine: {ambient: 30 V},")], "18:59", "fleet.segments.motors.machine.ambient", "`ambient` is in C, not in V", "write `30 C`"),
    ("S209", [("share: 80 %,", "share: 80 %, machine: {ambient: 30 C .. 20 C},")], "18:59", "fleet.segments.motors.machine.ambient", "ends before it begins", "exchange"),
    ("S210", [("share: 80 %,", "share: 80 %, machine: {ambient: 20 C .. 95 C},")], "18:59", "fleet.segments.motors.machine.ambient", "is more than 60 C", "allowed: -30 C .. 60 C"),
    ("S105", [("share: 80 %,", "share: 80 %, power: {floor: 8 uA},")], "18:40", "fleet.segments.motors.power.battery", "`battery` is missing", "full battery"),
    ("S208", [("share: 80 %,", "share: 80 %, power: {battery: 19 W},")], "18:57", "fleet.segments.motors.power.battery", "`19 W` is not an energy or a charge", "write one of J"),
    ("S210", [("share: 80 %,", "share: 80 %, power: {battery: 19 Wh, floor: 50 A},")], "18:71", "fleet.segments.motors.power.floor", "is more than 10 A", "write `8 uA`"),
    ("S209", [("share: 80 %,", "share: 80 %, power: {battery: 19 Wh, charge: 90 % .. 20 %},")], "18:72", "fleet.segments.motors.power.charge", "ends before it begins", "write `20 % .. 90 %`"),
    ("S210", [("share: 80 %,", "share: 80 %, power: {battery: 19 Wh, temperature: -90 C},")], "18:77", "fleet.segments.motors.power.temperature", "is beyond -60 C .. 85 C", "write `20 C`"),
    ("S212", [("share: 80 %,", "share: 80 %, power: {battery: 19 Wh, solar: 2 W},")], "18:64", "fleet.segments.motors.power", "lithium is not made to be charged", "cell: lithium-ion"),
    ("S212", [("share: 80 %,", "share: 80 %, power: {battery: 19 Wh, resets_below: 5 V},")], "18:64", "fleet.segments.motors.power", "do not run on 3.6 V", "make `resets_below` lower"),
    ("S309", [("fault: power-outage", "fault: sensor-bias\n    with: {channel: temprature}")], "33:21", "steps[0].with.channel", "no targeted machine has a channel `temprature`", "winding_temperature_c"),
    ("S309", [("fault: power-outage", "fault: sensor-bias\n    with: {by: 5 bar}")], "33:11", "steps[0].with", "winding_temperature_c is in C", "write C, F, K"),
    ("S309", [("fault: power-outage", "fault: machine-failure\n    with: {mode: rust}")], "33:18", "steps[0].with.mode", "no targeted machine can fail by `rust`", "motor:"),
    ("S309", [("\nobjectives", "\ndetectors: {flat-line: {channels: [curent_a]}}\n\nobjectives"), NO_STORM], "25:36", "detectors.flat-line.channels[0]", "no machine of the fleet has a channel `curent_a`", "did you mean `current_a`?"),
    ("S301", [("\nobjectives", "\ndetectors: {flat-line: {on: site=iad-*}}\n\nobjectives"), NO_STORM], "25:29", "detectors.flat-line.on", "`site=iad-*` matches 0 of 10,000 devices", "sites: arn-1"),
    ("S305", [("\nobjectives", "\ndetectors: {flat-line: {on: state=online}}\n\nobjectives"), NO_STORM], "25:29", "detectors.flat-line.on", "`state` changes while the run goes on", "target of a step"),
    ("S102", [("\nobjectives", "\ndetectors: {silence: {on: all}}\n\nobjectives"), NO_STORM], "25:23", "detectors.silence.on", "unknown key `on`", "hold"),
    ("S308", [expectation("{no_alarm: flat-line}")], "41:16", "expect[4].no_alarm", "no detector looks for `flat-line`: connect-storm, reboot-storm, silence look", "add `flat-line` to `detectors`"),
    ("S308", [WATCHED], "39:13", "expect[0].alarm", "no detector looks for `reboot-storm`: only silence looks", "add `reboot-storm` to `detectors`"),
    ("S308", [WATCHED, NO_STORM, expectation("{no_alarm: connect-storm}")], "43:16", "expect[4].no_alarm", "looks for `connect-storm`", "add `connect-storm`"),
    ("S308", [UNWATCHED, NO_STORM, NO_PAGES, expectation("{no_alarm: any}")], "43:16", "expect[4].no_alarm", "nothing raises alarms: `detectors` is empty", "then the default ones look"),
    ("S308", [UNWATCHED, NO_STORM], "41:13", "expect[2].count", "nothing raises `pages`", "name detectors there"),
    ("S308", [UNWATCHED, NO_STORM, NO_PAGES, expectation("never: online > 5 and incidents > 1")], "43:27", "expect[4].never", "nothing raises `incidents`", "name detectors"),
    ("S308", [UNWATCHED, NO_STORM, NO_PAGES, ("\nobjectives", "\nstop_when: {when: alarms > 5}\n\nobjectives")], "27:19", "stop_when.when", "nothing raises `alarms`", "name detectors"),
    ("S401", [("at: 5 min", "at: 5 min\n    after: 4 min")], "31:5 and 32:5", "steps[0]", "step `outage` has two triggers, `at` and `after`", "a step has one: remove `at` or `after`"),
    ("S402", [step("  - {name: note, mark: x}")], "35:5", "steps[1]", "step `note` has no trigger", "add `at: 5 min`"),
    ("S403", [step("  - {name: note, at: 6 min}")], "35:5", "steps[1]", "step `note` has no action", "add `fault`"),
    ("S404", [step("  - {name: note, at: 6 min, mark: x, end: outage}"), ("    lasts: 2 min\n", "")], "34:29 and 34:38", "steps[1]", "more than one action, `end` and `mark`", "a step of its own"),
    ("S405", [step("  - {at: 6 min, mark: x, lasts: 5 s}")], "35:26", "steps[1].lasts", "`lasts` belongs beside a fault, step `step-2` has none", "remove it"),
    ("S406", [step("  - {name: a, after: b, mark: x}\n  - {name: b, after: a + 1 s, mark: y}")], "35:22", "steps[1].after", "steps `a` and `b` wait for each other", "`at: 5 min`"),
    ("S406", [step("  - {name: a, after: a, mark: x}")], "35:22", "steps[1].after", "step `a` waits for itself", "an instant of its own"),
    ("S407", [("at: 5 min", "at: 2 min")], "31:9", "steps[0].at", "step `outage` starts a fault at 2 min, in the warm-up", "start it at 3 min or later"),
    ("S407", [expectation("{at: 3 min, that: online > 5}")], "41:10", "expect[4].at", "nothing is judged there", "after 3 min"),
    ("S407", [step("  - {at: 1 min, expect: online > 5}")], "35:10", "steps[1].at", "nothing is judged there", "after 3 min"),
    ("S408", [("at: 5 min", "at: 31 min"), ("after: outage.end", "after: 9 min")], "31:9", "steps[0].at", "`31 min` lies 1 min after the end of the run", "lengthen `duration`"),
    ("S408", [step("  - {after: outage - 6 min, mark: x}")], "35:13", "steps[1].after", "lies 1 min before the start of the run", "later"),
    ("S408", [step("  - {at: end, mark: x}")], "35:10", "steps[1].at", "lies at the end of the run", "before 30 min"),
    ("S408", [expectation("{at: end + 1 s, that: online > 5}")], "41:10", "expect[4].at", "1 s after the end", "30 min"),
    ("S408", [("after: outage.end", "after: outage.end + 1 h")], "37:34", "expect[0].after", "lies 37 min after the end", "30 min"),
    ("S409", [step("  - {name: stop, at: 6 min, end: outage}")], "35:34 and 34:5", "steps[1].end", "ends twice, by `lasts` and by step `stop`", "remove `lasts`"),
    ("S409", [("    lasts: 2 min\n", ""), step("  - {at: 6 min, end: outage}\n  - {at: 7 min, end: outage}")], "35:22", "steps[2].end", "by steps `step-2` and `step-3`", "remove one"),
    ("S409", [("    lasts: 2 min\n", ""), ("after: outage.end", "after: 9 min"), step("  - {at: 4 min, end: outage}")], "34:10", "steps[1].at", "step `outage` ends before it begins", "it begins at 5 min"),
    ("S410", [("    target: site=fra-*\n", "")], "32:12", "steps[0].fault", "`power-outage` needs a target", "add `target: all`"),
    ("S410", [("fault: power-outage", "fault: broker-outage")], "33:5", "steps[0].target", "acts on the broker: it takes no `target`", "remove it"),
    ("S411", [("{count: pages, at_most: 1}", "{at_most: 1, count: pages}")], "39:6", "expect[2].at_most", "the first key names the form", "put `count` first"),
    ("S501", [expectation("never: conectivity < 85 %")], "41:12", "expect[4].never", "unknown name `conectivity`", "did you mean `connectivity`?"),
    ("S502", [expectation("never: open(x) > 1")], "41:12", "expect[4].never", "`open(` is not part of an expression", "functions: min, max, abs, avg, rate, baseline, share, count"),
    ("S503", [expectation("never: connectivity < 30 s")], "41:12", "expect[4].never", "`connectivity` is a share, `30 s` is a duration", "write a share"),
    ("S503", [("\nobjectives", "\nstop_when: {when: 5 > online / devices}\n\nobjectives")], "25:19", "stop_when.when", "`5` is a number", "write `5 %`"),
    ("S504", [expectation("always: connectivity")], "41:13", "expect[4].always", "is a share, not a condition", "compare it"),
    ("S505", [expectation(f"never: {'(' * 9}online > 5{')' * 9}")], "41:21", "expect[4].never", "at most 8 levels", "split it"),
    ("S506", [expectation("never: 1 < online < 5")], "41:23", "expect[4].never", "cannot be chained", "join two comparisons"),
    ("S507", [("\nobjectives", "\ndetectors: {silence: {}, reboot-storm: {}, mine: {pattern: boot then wil within 5 s}}\n\nobjectives")], "25:70", "detectors.mine.pattern", "a pattern knows no `wil`", "did you mean `will`?"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "changes", "place", "path", "message", "advice"),
    CASES,
    ids=[f"{code}-{place}-{path}" for code, _, place, path, _, _ in CASES],
)
def test_a_problem_is_told_once_with_place_path_and_advice(
    problem_of: Callable[..., Problem],
    code: str,
    changes: list[Change],
    place: str,
    path: str,
    message: str,
    advice: str,
) -> None:
    problem = problem_of(*changes)
    assert problem.code == code
    assert " and ".join(one.short for one in (problem.place, *problem.also)) == place
    assert problem.path == path
    assert message in problem.message
    assert advice in problem.advice
    assert "Traceback" not in problem.render()


def code_of(act: Callable[[], object]) -> str:
    """Code of the one problem that this raises."""
    with pytest.raises((ScenarioErrors, Refused)) as raised:
        act()
    error = raised.value
    if isinstance(error, ScenarioErrors):
        (problem,) = error.problems
        return problem.code
    assert isinstance(error, Refused)
    return error.code


SLO = """apiVersion: openslo/v1
kind: SLO
metadata: {{name: fresh}}
spec:
  {}
  budgetingMethod: Occurrences
  objectives: [{{target: 0.9}}]
"""


@pytest.fixture
def other_codes(storm: Callable[..., object], tmp_path: Path, install: Install) -> set[str]:
    """Codes that no change of a file brings about."""
    install("1 / 0", faults={"blink": "Blink"})
    return {
        code_of(lambda: storm(settings=["steps.outage.fault=blink"])),
        code_of(lambda: load(tmp_path / "gone.storm.yaml")),
        code_of(lambda: storm(settings=["steps.blackout.lasts=5 min"])),
        code_of(lambda: storm(settings=["fleet.devices"])),
        code_of(
            lambda: storm(
                settings=["detectors={reboot-storm: {}, silence: {}, connect-storm: {}, watch: {model: pumps}}"]
            )
        ),
        code_of(lambda: values.size("64 KB")),
        code_of(lambda: import_objectives(Source("slo.yaml", SLO.format("indicatorRef: fresh")))),
        code_of(lambda: import_objectives(Source("slo.yaml", SLO.format("indicator: {spec: {thresholdMetric: {}}}")))),
    }


def test_every_code_is_told_by_some_case(other_codes: set[str]) -> None:
    assert other_codes == {"S111", "S113", "S114", "S115", "S116", "S208", "S601", "S602"}
    assert {case[0] for case in CASES} | other_codes == set(CODES)


def test_every_code_has_a_page_in_a_group() -> None:
    for name, code in CODES.items():
        assert name[:2] in GROUPS
        assert code.title
        assert not code.title.endswith(".")
        assert code.explanation.endswith(".")
    assert list(CODES) == sorted(CODES)
    assert {name[:2] for name in CODES} == set(GROUPS)


def test_everything_that_is_wrong_is_told_at_once(problems_of: Callable[..., tuple[Problem, ...]]) -> None:
    found = problems_of(
        ("duration: 30 min", "duration: 30"),
        ("jitter:", "jiter:"),
        ("kind: environment", "kind: enviroment"),
        ("sli: freshness", "sli: freshnes"),
        ("target: site=fra-*", "target: sit=fra-*"),
        ("lasts: 2 min", "lasts: 2"),
        ("alarm: reboot-storm", "alarm: reboot"),
        ("of: outage", "of: outtage"),
        ("count: pages", "count: page"),
        ("ledger: lost", "ledger: last"),
        expectation("never: conectivity < 5 %"),
        settings=["fleet.buffer.evict=latest"],
    )
    assert [problem.code for problem in found] == [
        *("S201", "S102", "S104", "S104", "S304", "S201", "S104", "S302", "S104", "S104", "S501", "S204"),
    ]
    lines = [problem.place.line for problem in found[:-1]]
    assert lines == sorted(lines)
    assert found[-1].place.source.is_option


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (("site=fra-*", "sitte=4 battery<20 state=onlin"), ["S304", "S205", "S204"]),
        (("site=fra-*", "site=fra-1,3% zone all=3 first=x kind=motor"), ["S303", "S303", "S303", "S207", "S303"]),
        (expectation("never: onlin > 3 and connectivty < 3 and open(3) > 2"), ["S501", "S501", "S502"]),
        (
            expectation("never: connectivity < 30 s or freshness[sit=x] > 5 or share > 3"),
            ["S503", "S503", "S304", "S502"],
        ),
        (expectation("never: delivery_time > 1 s and avg(online, 5) > 3 and online >"), ["S103", "S503", "S502"]),
        (expectation("never: onlin > 3 and not avg(connectivity > 1 %, 5 s)"), ["S501", "S502"]),
    ],
)
def test_everything_that_is_wrong_inside_one_value_is_told_from_left_to_right(
    problems_of: Callable[..., tuple[Problem, ...]], change: Change, codes: list[str]
) -> None:
    found = problems_of(change)
    assert [problem.code for problem in found] == codes
    assert [problem.place.column for problem in found] == sorted(problem.place.column for problem in found)


def test_every_segment_without_a_share_is_told(problems_of: Callable[..., tuple[Problem, ...]]) -> None:
    found = problems_of(("share: 80 %, ", ""), ("share: 20 %, ", ""))
    assert [problem.path for problem in found] == ["fleet.segments.motors.share", "fleet.segments.climate.share"]


def test_detectors_that_cannot_be_read_are_no_reason_to_call_an_alarm_unwatched(
    problem_of: Callable[..., Problem],
) -> None:
    assert problem_of(("\nobjectives", "\ndetectors: [silense]\n\nobjectives")).code == "S104"
    assert problem_of(("\nobjectives", "\ndetectors: {silense: {}}\n\nobjectives")).code == "S104"


def test_a_mistake_in_the_fleet_does_not_hide_that_a_target_matches_nothing(
    problems_of: Callable[..., tuple[Problem, ...]],
) -> None:
    found = problems_of(("jitter:", "jiter:"), ("target: site=fra-*", "target: site=iad-*"))
    assert [problem.code for problem in found] == ["S102", "S301"]


@pytest.mark.parametrize(
    "change",
    [("share: 20 %", "share: 30 %"), ("devices: 10000", "devices: many"), ("kind: motor", "kind: x")],
)
def test_targets_are_checked_by_what_is_known_of_a_wrong_fleet(
    problems_of: Callable[..., tuple[Problem, ...]], change: Change
) -> None:
    fleet, first, second = problems_of(
        change,
        ("target: site=fra-*", "target: site=iad-*"),
        expectation("never: connectivity[segment=moters] < 5 %"),
    )
    assert fleet.path.startswith("fleet.")
    assert (first.code, first.message, first.advice.split(",")[0]) == (
        *("S301", "`site=iad-*` matches no device", "sites: arn-1"),
    )
    assert (second.code, second.suggestion) == ("S301", "motors")


@pytest.mark.parametrize(
    ("change", "target"),
    [
        (("[arn-1", "[Arn 1"), "site=iad-*"),
        (("kind: motor", "kind: x"), "kind=y"),
        (("link: wifi", "link: wify"), "link=lte"),
        (("kind: motor, ", ""), "kind=y"),
        (("devices: 10000", "devices: many"), "all first=1"),
        (("devices: 10000", "devices: many"), "id=fra-9/*"),
        (("devices: 10000", "devices: many"), "site=iad-* state=online"),
    ],
)
def test_a_fleet_that_cannot_be_told_is_no_reason_to_call_targets_wrong(
    problem_of: Callable[..., Problem], change: Change, target: str
) -> None:
    assert problem_of(change, ("target: site=fra-*", f"target: {target}")).path.startswith("fleet.")


@pytest.mark.parametrize(
    "change",
    [
        ("steps:\n  - name: outage", "steps:\n    name: outage"),
        ("- name: outage", "- name: Outage!"),
        ("  - name: outage", "  - nonsense\n  - name: outage"),
    ],
)
def test_steps_that_cannot_be_told_are_no_reason_to_call_references_wrong(
    problem_of: Callable[..., Problem], change: Change
) -> None:
    assert problem_of(change, ("of: outage", "of: blackout")).path.startswith("steps")


@pytest.mark.parametrize(
    "change",
    [
        ("\nfleet:", "\nfleett:"),
        ("\nsteps:", "\nstpes:"),
        ("\nobjectives:", "\nobjective:"),
        ("    at: 5 min", "    att: 5 min"),
        ("    fault:", "    falt:"),
        ("at_least: 90 %}\n  fresh", "at_lest: 90 %}\n  fresh"),
        ("share: 80 %", "shares: 80 %"),
        ("  - {count: pages, at_most: 1}", "  - {count: pages, atmost: 1}"),
    ],
)
def test_a_misspelt_key_is_told_alone_and_not_missed(problem_of: Callable[..., Problem], change: Change) -> None:
    assert problem_of(change).code == "S102"


def test_what_a_misspelt_key_holds_is_checked_too(problems_of: Callable[..., tuple[Problem, ...]]) -> None:
    found = problems_of(("\nfleet:", "\nfleett:"), ("jitter: full", "jitter: ful"), ("site=fra-*", "site=iad-*"))
    assert [problem.code for problem in found] == ["S102", "S204", "S301"]


def test_a_key_that_stands_there_is_not_taken_for_its_misspelt_twin(problem_of: Callable[..., Problem]) -> None:
    assert problem_of(("duration: 30 min", "duration: 30 min\ndurations: 5")).code == "S102"


def test_a_wrong_action_is_not_blamed_on_those_who_refer_to_its_end(problem_of: Callable[..., Problem]) -> None:
    assert problem_of(("fault: power-outage", "fault: power-outag"), ("    lasts: 2 min\n", "")).code == "S104"


def test_another_version_of_the_language_is_told_alone(problem_of: Callable[..., Problem]) -> None:
    assert problem_of(("storm: 1", "storm: 2"), ("fleet:", "flotilla:"), ("at: 5 min", "at: 5")).code == "S112"


@pytest.mark.parametrize(
    ("text", "code"),
    [("", "S105"), ("# nothing\n", "S105"), ("storm", "S108"), ("- storm: 1\n", "S108"), ("{}", "S105")],
)
def test_a_file_that_is_no_scenario_is_told_what_one_begins_with(text: str, code: str) -> None:
    with pytest.raises(ScenarioErrors) as raised:
        read(text, "empty.yaml")
    assert {problem.code for problem in raised.value.problems} == {code}
    assert "storm" in raised.value.render()
