"""Loads at other levels than planned, over the same time: flat, silent, delayed. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from loadgen.engine_plan import ClosedLoad, ClosedStage, OpenLoad, OpenStage, length_ns, level_at


def flat(load: OpenLoad | ClosedLoad, level: float) -> OpenLoad | ClosedLoad:
    """At one level throughout."""
    if isinstance(load, OpenLoad):
        return msgspec.structs.replace(load, stages=[OpenStage(length_ns(load), level, level)])
    users = round(level)
    return msgspec.structs.replace(load, stages=[ClosedStage(length_ns(load), users, users)])


def silent(load: OpenLoad | ClosedLoad) -> OpenLoad | ClosedLoad:
    """Nothing arrives; users stay, and ask for nothing: that is what no stage at all means."""
    return flat(load, 0) if isinstance(load, OpenLoad) else msgspec.structs.replace(load, stages=[])


def delayed(load: OpenLoad, by_ns: int) -> OpenLoad:
    """Everything later by so much; what would come after its end is left out."""
    stages, left_ns = [OpenStage(by_ns, 0.0, 0.0)], length_ns(load) - by_ns
    for stage in load.stages:
        if left_ns <= 0:
            break
        lasts_ns = min(stage.duration_ns, left_ns)
        alone = msgspec.structs.replace(load, stages=[stage])
        ends = stage.to_rate if lasts_ns == stage.duration_ns else level_at(alone, lasts_ns)
        stages.append(OpenStage(lasts_ns, stage.from_rate, ends))
        left_ns -= lasts_ns
    return msgspec.structs.replace(load, stages=stages)


def whole(shares: Mapping[int, float]) -> dict[int, int]:
    """Shares as whole numbers that add up to the same: the largest fractions are rounded up."""
    floors = {place: int(share) for place, share in shares.items()}
    left = round(sum(shares.values())) - sum(floors.values())
    by_fraction = sorted(shares, key=lambda place: floors[place] - shares[place])
    return floors | {place: floors[place] + 1 for place in by_fraction[:left]}
