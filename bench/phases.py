"""The measurements of one subject, in their order: a scene in, its figures out."""

from __future__ import annotations

import random
import time
from itertools import count, islice
from typing import Callable, Dict, Iterator

from bench.deadline import SETTLE, wait_until
from bench.rig import Rig, Scene, room
from bench.settings import Settings


#: Messages whose lag is measured, and the seconds between them.
LAGS, LAG_EVERY = 10, 0.3
#: Bursts that are published, one after the other, while members come and go.
CHURN_BURSTS = 5
#: Seconds for which a room is written to at a steady pace, the stretches that its lag
#: is measured in, and the seconds between two messages.
STEADY, STRETCHES, STEADY_EVERY = 30, 3, 0.1


def connect(scene: Scene) -> dict[str, float]:
    """Opens all sockets, token check and bookkeeping included."""
    sockets = scene.settings.sockets
    seconds = scene.load.opened()
    wait_until(lambda: scene.publisher.online() == sockets, "all clients are online")
    return {"connects": sockets / seconds}


def idle_memory(scene: Scene) -> dict[str, float]:
    """Weighs sockets that have not received anything."""
    return {"idle_kib": _kib_per_socket(scene)}


def burst(scene: Scene) -> dict[str, float]:
    """Publishes messages to a room back to back."""
    messages = scene.settings.burst
    for _ in range(messages):
        scene.publisher.say(room())
    return {"burst": scene.expect(scene.settings.sockets * messages).rate}


def burst_memory(scene: Scene) -> dict[str, float]:
    """Weighs sockets that have received a burst."""
    return {"burst_kib": _kib_per_socket(scene)}


def lag(scene: Scene) -> dict[str, float]:
    """Publishes single messages to a room, with pauses."""
    for _ in range(LAGS):
        scene.publisher.say(room())
        time.sleep(LAG_EVERY)
    return {"lag_ms": scene.expect(scene.settings.sockets * LAGS).p99_ms}


def direct(scene: Scene) -> dict[str, float]:
    """Publishes messages to one receiver each as fast as Redis takes them."""
    messages = scene.settings.direct
    scene.publisher.flood_clients(_some(scene, messages))
    return {"direct": scene.expect(messages).rate}


def paced(scene: Scene) -> dict[str, float]:
    """Publishes messages to one receiver each at a pace that is easily kept."""
    pace = scene.settings.pace
    messages = pace * scene.settings.seconds
    for client_id, _ in zip(_some(scene, messages), _beats(1 / pace)):
        scene.publisher.tell(client_id)
    arrived = scene.expect(messages)
    return {"direct_p50_ms": arrived.p50_ms, "direct_p99_ms": arrived.p99_ms}


def churn(scene: Scene) -> dict[str, float]:
    """Publishes bursts to a room whose members come and go."""
    settings, publisher = scene.settings, scene.publisher
    expected = settings.sockets * settings.burst
    messages, seconds = 0, 0.0
    with publisher.churning(room(), settings.sockets + 1, settings.churn):
        for _ in range(CHURN_BURSTS):
            for _ in range(settings.burst):
                publisher.say(room())
            arrived = scene.expect(expected)
            messages += arrived.messages
            seconds += arrived.seconds
    return {"churn": messages / seconds if seconds else 0.0}


def rooms(scene: Scene) -> dict[str, float]:
    """Publishes a burst to each of many rooms, together as fast as Redis takes them."""
    settings = scene.settings
    names = [room(number) for number in range(settings.rooms)]
    scene.publisher.flood_rooms(names * settings.burst)
    return {"rooms": scene.expect(settings.sockets * settings.burst).rate}


def everyone(scene: Scene) -> dict[str, float]:
    """Publishes a burst to all clients of all nodes."""
    messages = scene.settings.burst
    for _ in range(messages):
        scene.publisher.say(None)
    return {"everyone": scene.expect(scene.settings.sockets * messages).rate}


def steady(scene: Scene) -> dict[str, float]:
    """Publishes to a room at a pace that does not ask whether it can be kept."""
    figures = {}
    messages = round(STEADY / STRETCHES / STEADY_EVERY)
    for stretch in range(1, STRETCHES + 1):
        for _ in islice(_beats(STEADY_EVERY), messages):
            scene.publisher.say(room())
        arrived = scene.expect(scene.settings.sockets * messages)
        figures[f"steady_{stretch}_p50_ms"] = arrived.p50_ms
        figures[f"steady_{stretch}_p99_ms"] = arrived.p99_ms
    return figures


Phase = Callable[[Scene], Dict[str, float]]

#: The phases of the table, in the order in which they are run.
TABLE: tuple[Phase, ...] = (
    *(connect, idle_memory, burst, burst_memory, lag, direct, paced, churn),
)


def measure(
    rig: Rig, subject: str, settings: Settings, phases: tuple[Phase, ...] = TABLE
) -> dict[str, float]:
    """Runs phases on one subject; returns all their figures."""
    figures: dict[str, float] = {}
    with rig.scene(subject, settings) as scene:
        for phase in phases:
            figures.update(phase(scene))
        figures["lost"] = scene.lost
    return figures


def _beats(seconds: float) -> Iterator[int]:
    """Yields numbers at a pace; who was late catches up."""
    begin = time.monotonic()
    for number in count():
        time.sleep(max(0.0, begin + number * seconds - time.monotonic()))
        yield number


def _kib_per_socket(scene: Scene) -> float:
    time.sleep(SETTLE)
    gained = scene.relays.resident_kib() - scene.empty_kib
    return gained / scene.settings.sockets


def _some(scene: Scene, many: int) -> list[int]:
    picks = random.Random(7)
    return [picks.randint(1, scene.settings.sockets) for _ in range(many)]
