"""How long one waits on average: queues in their steady state, by formula.

Times are seconds, rates per second; any other unit serves as well if it is the same one throughout.

Source: e.g. Gross, Shortle, Thompson and Harris, Fundamentals of Queueing Theory, chapters 2, 3 and 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from twinstorm.twin import exact


def erlang_b(load: float, servers: int) -> float:
    """Share of customers who find all servers busy, and leave.

    Args:
        load: arrivals times mean service, erlang, >= 0. servers: >= 0.
    """
    blocked = 1.0
    for count in range(1, servers + 1):
        blocked = load * blocked / (count + load * blocked)
    return blocked


def erlang_c(load: float, servers: int) -> float:
    """Share of customers who find all servers busy, and wait.

    Args:
        load: erlang, 0 <= load < servers.

    Raises:
        ValueError: if the load reaches the servers: the queue never settles.

    Example:
        >>> round(erlang_c(10.0, 14), 4)
        0.1741
    """
    if not 0.0 <= load < servers:
        raise ValueError(f"load must lie in 0 to less than {servers} servers, not {load:g}")
    blocked = erlang_b(load, servers)
    return blocked / (1.0 - load / servers * (1.0 - blocked))


@dataclass(frozen=True)
class Queue:
    """Customers who come by chance, and wait in order for the first free server.

    Attributes:
        arrivals_per_s: lambda, > 0.
        served_per_s: mu of one server, > 0.
        servers: >= 1.
        variation: squared coefficient of variation of the service, >= 0: 1 exponential (M/M/c), 0 constant (M/D/c).
            With one server any value is exact (Pollaczek and Khinchine), with more 1 is; the rest is Allen and
            Cunneen's approximation.

    Raises:
        ValueError: if an attribute lies outside of its range, or the servers cannot keep up; the text names it.
    """

    arrivals_per_s: float
    served_per_s: float
    servers: int = 1
    variation: float = 1.0

    def __post_init__(self) -> None:
        for name in ("arrivals_per_s", "served_per_s", "servers"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name):g}")
        if not self.variation >= 0.0:
            raise ValueError(f"variation must be 0 or more, not {self.variation:g}")
        if not self._spare_per_s > 0.0:
            raise ValueError(
                f"arrivals_per_s must be less than what {self.servers} serve, {self.servers * self.served_per_s:g}"
            )

    @property
    def _spare_per_s(self) -> float:
        return self.servers * self.served_per_s - self.arrivals_per_s

    @cached_property
    def waits_share(self) -> float:
        """Share of customers who wait at all."""
        return erlang_c(self.arrivals_per_s / self.served_per_s, self.servers)

    @property
    def wait_s(self) -> float:
        """Mean time before the service, Wq."""
        return self.waits_share / self._spare_per_s * (1.0 + self.variation) / 2.0

    @property
    def stay_s(self) -> float:
        """Mean time until served, W."""
        return self.wait_s + 1.0 / self.served_per_s

    @property
    def waiting(self) -> float:
        """Mean number of those who wait, Lq."""
        return self.arrivals_per_s * self.wait_s

    @property
    def present(self) -> float:
        """Mean number of those who wait or are served, L."""
        return self.arrivals_per_s * self.stay_s

    def late_share(self, limit_s: float) -> float:
        """Share of customers who wait longer than this, >= 0.

        Raises:
            ValueError: if the service is not exponential.
        """
        if self.variation != 1.0:
            raise ValueError("how waits are spread is known for exponential service alone: variation 1")
        return self.waits_share * exact.exp(-self._spare_per_s * limit_s)


@dataclass(frozen=True)
class Repairable:
    """Machines that fail by chance, and the crews that repair them in order of failure (M/M/c with a finite source).

    Attributes:
        machines: >= 1. crews: >= 1.
        up_s, repair_s: mean time to the next failure, and of a repair, > 0. Both exponential.

    Raises:
        ValueError: if an attribute lies outside of its range; the text names it.
    """

    machines: int
    crews: int
    up_s: float
    repair_s: float

    def __post_init__(self) -> None:
        for name in ("machines", "crews", "up_s", "repair_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name):g}")

    @cached_property
    def shares(self) -> tuple[float, ...]:
        """Share of the time in which 0, 1, ... machines are down."""
        weights = [1.0]
        for down in range(1, self.machines + 1):
            failing = (self.machines - down + 1) / self.up_s
            weights.append(weights[-1] * failing * self.repair_s / min(down, self.crews))
        whole = sum(weights)
        return tuple(weight / whole for weight in weights)

    @property
    def down(self) -> float:
        """Mean number of machines that are down, L."""
        return sum(count * share for count, share in enumerate(self.shares))

    @property
    def waiting(self) -> float:
        """Mean number of machines that wait for a crew, Lq."""
        return sum(max(count - self.crews, 0) * share for count, share in enumerate(self.shares))

    @property
    def availability(self) -> float:
        """Share of the time in which a machine is up."""
        return 1.0 - self.down / self.machines

    @property
    def down_s(self) -> float:
        """Mean time from a failure to the end of its repair, W."""
        return self.down / (self.machines - self.down) * self.up_s

    @property
    def wait_s(self) -> float:
        """Mean time from a failure until a crew is there, Wq."""
        return self.down_s - self.repair_s
