"""From a scenario to what twin and broker take: fleet plan, broker settings, calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from twinstorm.broker.modelled import BrokerSettings
from twinstorm.broker.models import MODELS
from twinstorm.detectors.functions import Serverless
from twinstorm.detectors.intake import Processing
from twinstorm.detectors.pool import By, PoolSettings, Scaling
from twinstorm.scenarios.language.model import Clock, Gateway, Hazards, Scenario, Slots, Speech, Trunk
from twinstorm.scenarios.language.placement import place
from twinstorm.scenarios.language.quantities import Range
from twinstorm.twin.clockwork import PERFECT, ClockPlan
from twinstorm.twin.fleet import FleetPlan, GatewayPlan, SegmentPlan
from twinstorm.twin.flow import SECOND_US, UNSAID
from twinstorm.twin.hazards import HazardPlan
from twinstorm.twin.reconnect import ReconnectPolicy
from twinstorm.twin.slots import SlotPlan
from twinstorm.twin.trunks import TrunkPlan
from twinstorm.twin.wire.wires import Wire

DEFAULT_START = "2030-01-07T00:00:00Z"
"""A Monday that nobody mistakes for today."""

DEFAULT_MESSAGE_QUEUE = 100_000


def fleet_plan(scenario: Scenario) -> FleetPlan:
    """The fleet that a scenario asks for."""
    fleet = scenario.fleet
    return FleetPlan(
        sites=tuple((site.name, site.region) for site in fleet.sites),
        segments=tuple(
            SegmentPlan(
                name=segment.name,
                kind=segment.kind,
                devices=place(segment.devices, fleet.sites),
                every_us=segment.every_us,
                link=segment.link,
                keep_alive_us=segment.keep_alive_us,
                boot_us=(segment.boot_us.low, segment.boot_us.high),
                reconnect=ReconnectPolicy(
                    backoff=segment.reconnect.backoff,
                    jitter=segment.reconnect.jitter,
                    base_us=segment.reconnect.base_us,
                    cap_us=segment.reconnect.cap_us,
                    timeout_us=segment.reconnect.timeout_us,
                ),
                buffer_readings=segment.buffer.readings,
                evict_oldest=segment.buffer.evict == "oldest",
                qos=segment.qos,
                firmware=segment.firmware,
                machine=segment.machine,
                origin=segment.origin,
                clock=_clock_plan(segment.clock),
                hazards=_hazard_plan(segment.hazards),
                schema=segment.schema,
                slots=_slot_plan(segment.slots),
                gateway=_gateway(segment.gateway, fleet.devices),
                through=segment.through,
                mesh=segment.mesh,
                power=segment.power,
                tenant=segment.tenant,
                certificate_batch=segment.certificate_batch,
                certificate_expires_us=_ends(segment.certificate_expires_us),
                wave=segment.wave,
                line=segment.line,
                configuration=UNSAID if segment.configuration is None else segment.configuration,
                wire=_wire(segment.speech),
            )
            for segment in fleet.segments
        ),
        phases=fleet.phases,
        trunks=tuple(_trunk(site.trunk) for site in fleet.sites) if any(site.trunk for site in fleet.sites) else (),
    )


def _trunk(trunk: Trunk | None) -> TrunkPlan | None:
    return None if trunk is None else TrunkPlan(trunk.bytes_per_s, trunk.queue_bytes, trunk.latency_us)


def _ends(expires_us: Range | None) -> tuple[int, int] | None:
    return None if expires_us is None else (expires_us.low, expires_us.high)


def _wire(speech: Speech | None) -> Wire | None:
    return None if speech is None else Wire(speech.codec, speech.profile)


def _hazard_plan(hazards: Hazards) -> HazardPlan:
    return HazardPlan(hazards.crash_us, hazards.freeze_us, hazards.full_us, hazards.watchdog_us)


def _slot_plan(slots: Slots | None) -> SlotPlan | None:
    if slots is None:
        return None
    return SlotPlan(slots.other, slots.boot_limit, slots.healthy_us, _hazard_plan(slots.hazards), slots.schema)


def _clock_plan(clock: Clock | None) -> ClockPlan:
    if clock is None:
        return PERFECT
    return ClockPlan(
        sync_us=clock.sync_us,
        accuracy_us=clock.accuracy_us,
        offset_us=(clock.offset_us.low, clock.offset_us.high),
        drift_ppm=clock.drift_ppm,
        ageing_ppm_per_year=clock.ageing_ppm_per_year,
        temperature_c=clock.temperature_c,
        has_battery=clock.backup == "battery",
        epoch_us=origin_us(datetime.fromisoformat(clock.epoch)),
    )


def _gateway(written: Gateway | None, devices: int) -> GatewayPlan | None:
    if written is None:
        return None
    return GatewayPlan(
        rate_per_s=float(written.rate.for_fleet(devices)),
        queue_readings=written.queue,
        buffer_readings=written.buffer.readings,
        evict_oldest=written.buffer.evict == "oldest",
        durable=written.store == "disk",
        disk_bytes=written.disk_bytes,
        memory_bytes=written.memory_bytes,
        spare=written.spare == "standby",
        solar=written.power == "solar",
        panel_w=written.panel_w,
        battery_wh=written.battery_wh,
        batch_readings=0 if written.batch is None else written.batch.readings,
        batch_every_us=SECOND_US if written.batch is None else written.batch.every_us,
        edge_every_us=written.edge_every_us,
        edge_mean=written.edge_keep == "mean",
    )


def processing_of(scenario: Scenario) -> Processing | None:
    """Who processes readings; None: they are as they come."""
    written = scenario.processing
    if written is None:
        return None
    functions, scale = written.functions, written.scale
    if functions is not None:
        price = functions.price, functions.price_per_s
        return Processing(Serverless(written.service_us, functions.cold_us, functions.keep_us, functions.most, *price))
    scaling = Scaling()
    if scale is not None:
        by, target = (By.LAG, float(scale.lag)) if scale.lag is not None else (By.CPU, scale.busy or 1.0)
        scaling = Scaling(by, target, scale.least, scale.most, scale.down_after_us)
    pool = PoolSettings(
        partitions=written.partitions,
        consumers=written.consumers,
        service_us=written.service_us,
        start_us=written.start_us,
        checkpoint_us=written.checkpoint_us,
        scaling=scaling,
        room=written.room,
        sheds="oldest" if written.shed == "oldest" else "newest",
    )
    return Processing(pool, written.by)


def broker_settings(scenario: Scenario) -> BrokerSettings:
    """The modelled broker: the model's constants, overridden by the scenario's lines."""
    broker, devices = scenario.broker, scenario.fleet.devices
    model = MODELS[broker.model]
    rate = broker.connect_rate
    return BrokerSettings(
        model=model.name,
        handshake_ns=model.handshake_ns if broker.handshake_us is None else broker.handshake_us * 1_000,
        backlog=model.backlog if broker.backlog is None else broker.backlog,
        connect_rate=None if rate is None else rate.for_fleet(devices).limit_denominator(1_000),
        connect_burst=1 if broker.connect_burst is None else max(broker.connect_burst.for_fleet(devices), 1),
        connect_queue=0 if broker.connect_queue is None else broker.connect_queue.for_fleet(devices),
        message_rate=None if broker.message_rate is None else broker.message_rate.for_fleet(devices),
        message_queue=DEFAULT_MESSAGE_QUEUE if broker.message_queue is None else broker.message_queue,
        offline_queue=broker.offline_queue,
    )


def start_of(scenario: Scenario) -> datetime:
    """Calendar origin of a virtual run."""
    return datetime.fromisoformat(scenario.start or DEFAULT_START).astimezone(UTC)


def year_us(start: datetime) -> int:
    """Microseconds since the first midnight of the year."""
    new_year = start.replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
    return (start - new_year) // timedelta(microseconds=1)


def origin_us(start: datetime) -> int:
    """Microseconds since 1970."""
    return (start - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
