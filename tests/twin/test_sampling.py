"""What a scenario says of machines reaches them, and nobody else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.twin.worlds import Lab, plan
from twinstorm.twin.flow import SECOND_US


def test_parameters_that_are_set_reach_the_machines_of_their_segment_alone() -> None:
    drawn = plan(motors=20, climate=0)
    motors = drawn.segments[0]
    hot = replace(motors, name="hot", machine=(("ambient_c", 40.0, 40.0), ("duty", 0.5, 0.6)))
    lab = Lab.make(replace(drawn, segments=(motors, hot)))
    fleet, machines = lab.world.fleet, lab.world.sampler._machines[0]
    is_hot = fleet.segment == 1
    ambient, duty = machines.parameters["ambient_c"], machines.parameters["duty"]
    assert (ambient[is_hot] == 40.0).all()
    assert (ambient[~is_hot] <= 30.0).all()
    assert (duty[is_hot] >= 0.5).all()
    assert (duty[is_hot] <= np.float32(0.6)).all()
    assert len(np.unique(duty[is_hot])) > 15
    assert (duty[~is_hot] >= 0.85).all()
    lab.until(30 * SECOND_US)
    alone = Lab.make(drawn)
    alone.until(30 * SECOND_US)
    mine = {(fleet.names[who], seq): values for (who, seq), values in lab.delivered.items()}
    names = alone.world.fleet.names
    assert all(mine[names[who], seq] == values for (who, seq), values in alone.delivered.items())
