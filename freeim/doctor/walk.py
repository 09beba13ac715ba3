"""Walks from the page's question to the close frame, one hop after the other."""

from __future__ import annotations

from redis.exceptions import RedisError

from .approach import Approach
from .diagnosis import diagnose
from .findings import OK, SKIPPED, Fault, Hop, Walk
from .plan import Plan, Skipped
from .stay import Stay


__all__ = ["walk"]


def walk(plan: Plan) -> Walk:
    """Takes all steps, up to the one that fails."""
    found = Walk(plan.server)
    approach = Approach(plan)
    try:
        for hop, step in [*approach.steps(), *Stay(plan, approach).steps()]:
            try:
                found.hops.append(Hop(hop, OK, step()))
            except Skipped as skipped:
                found.hops.append(Hop(hop, SKIPPED, str(skipped)))
    except Fault as fault:
        found.hops.append(diagnose(fault))
    except RedisError as error:
        found.hops.append(diagnose(Fault("redis", "lost", str(error))))
    finally:
        approach.close()
    return found
