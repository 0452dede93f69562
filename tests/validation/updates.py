"""Updates: how a staged rollout speeds up, when it stops, and when a boot loader takes the other image."""

from __future__ import annotations

from functools import partial

import numpy as np

from tests.validation.case import Case, Subject
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.reader import read
from twinstorm.twin.eventlog import Code
from twinstorm.twin.rollout import Abort, Ramp

JOBS = "AWS IoT Core developer guide, jobs"
U_BOOT = "U-Boot, boot count limit"
ESP_IDF = "ESP-IDF, over the air updates: rollback"

TEXT = """storm: 1
name: slots
story: An image that crashes, and another beside it.
duration: 15 min
firmware:
  2.5.0: {{fault: crash-loop, with: {{uptime: 20 s}}, slots: {{other: 2.4.1, boot_limit: {limit}, healthy: 1 min}}}}
  2.4.1: {{qos: 1}}
fleet:
  devices: 3
  boot: 5 s
  segments:
    air: {{kind: environment, share: 100 %, firmware: 2.5.0}}
"""


def boot_of_the_other(limit: int) -> float:
    """Number of the boot that takes the other image, of an image that never lives to be well."""
    made = build(read(TEXT.format(limit=limit), "slots.storm.yaml"), RunOptions(seed=1))
    made.play()
    assert made.wiring.log.counts[Code.FELL_BACK] == len(made.registry.names)
    # The fleet has booted once when the run begins: that boot was well.
    (boots,) = np.unique(made.core.boot).tolist()
    return float(boots - 1)


def least_failures(ended: int) -> float:
    """Of so many that came to an end, the fewest failures that stop a rollout at 20 % after 100."""
    rule = Abort(0.2, 100)
    return float(next((failed for failed in range(ended + 1) if rule.is_due(failed, ended)), -1))


SUBJECT = Subject(
    "Updates",
    "`twin/rollout.py`, `twin/slots.py`",
    (
        *(
            Case(
                f"rollout from 50/min, doubled each 1,000 told: {told:,} told, min",
                JOBS,
                minutes,
                1e-9,
                partial(Ramp(50, 2.0, 1_000).minutes, told),
            )
            for told, minutes in ((1_000, 20.0), (2_000, 30.0), (3_000, 35.0), (4_000, 37.5))
        ),
        *(
            Case(
                f"the same after {told:,}, told a minute", JOBS, rate, 0.0, partial(Ramp(50, 2.0, 1_000).per_min, told)
            )
            for told, rate in ((999, 50.0), (1_000, 100.0), (2_000, 200.0), (3_000, 400.0), (5_000, 1_000.0))
        ),
        Case("abort at 20 % after 100: fewest failures of 100", JOBS, 20.0, 0.0, partial(least_failures, 100)),
        Case("abort at 20 % after 100: of 99, none is enough", JOBS, -1.0, 0.0, partial(least_failures, 99)),
        Case("boot limit 3: the boot that takes the other image", U_BOOT, 4.0, 0.0, partial(boot_of_the_other, 3)),
        Case(
            "one boot to prove itself: the boot that takes the other image",
            ESP_IDF,
            2.0,
            0.0,
            partial(boot_of_the_other, 1),
        ),
    ),
)
