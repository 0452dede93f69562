"""What a scenario asks of the stream of readings, set up in the core."""

from __future__ import annotations

from twinstorm.detectors.core import Core
from twinstorm.scenarios.engine.plan import processing_of
from twinstorm.scenarios.engine.routes import router_of
from twinstorm.scenarios.engine.streams import streams_of
from twinstorm.scenarios.language.model import Scenario


def follow(core: Core, scenario: Scenario) -> bool:
    """Let the core process, stamp, window, join, route and miss readings as a scenario says; once.

    Returns:
        Whether it says anything: then every second counts, and calm ones are not leapt over.
    """
    processing, stamps = processing_of(scenario), scenario.stamps
    streams, router = streams_of(scenario, core.registry), router_of(scenario, core.registry)
    if processing is not None:
        core.process_by(processing)
    if stamps is not None:
        core.follow(stamps.every, stamps.window_us, stamps.lateness_us)
    if streams is not None:
        core.keep_streams(streams)
    if router is not None:
        core.route_by(router)
    if scenario.continuity is not None:
        core.tell_silences()
    return any(each is not None for each in (processing, stamps, streams, router, scenario.continuity))
