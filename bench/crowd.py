"""A crowd: more sockets than one process may hold, on several nodes."""

from __future__ import annotations

from bench import phases
from bench.rig import Rig
from bench.settings import Settings
from bench.table import markdown


def measure_crowd(rig: Rig, settings: Settings) -> dict[str, float]:
    """Opens all sockets and sends to everyone; returns what that takes."""
    with rig.scene("relay", settings) as scene:
        figures = phases.connect(scene)
        figures.update(phases.idle_memory(scene))
        figures.update(phases.everyone(scene))
        figures.update(phases.burst_memory(scene))
        figures.update(phases.lag(scene))
        figures.update(phases.steady(scene))
        figures["load"] = scene.load.processes
        figures["rss_mib"] = scene.relays.resident_kib() / 1024
        figures["lost"] = scene.lost
    return figures


def crowd_table(settings: Settings, figures: dict[str, float]) -> str:
    """Returns the figures as a table."""
    sockets = settings.sockets
    rows = [
        ("nodes", f"{settings.nodes}"),
        ("load processes", f"{figures['load']:.0f}"),
        ("seconds until the last socket was open", _seconds(figures, sockets)),
        ("connects/s", f"{figures['connects']:,.0f}"),
        ("MiB of all nodes", f"{figures['rss_mib']:,.0f}"),
        ("KiB/socket idle", f"{figures['idle_kib']:.1f}"),
        ("KiB/socket after a burst", f"{figures['burst_kib']:.1f}"),
        (
            f"broadcast burst/s, {settings.burst} messages",
            f"{figures['everyone']:,.0f}",
        ),
        ("room lag ms", f"{figures['lag_ms']:,.0f}"),
        (
            f"lag ms, p50 / p99, at a message each {phases.STEADY_EVERY * 1000:.0f} ms "
            f"for {phases.STEADY} s, by {phases.STEADY // phases.STRETCHES} s",
            _steady(figures),
        ),
        ("lost", f"{figures['lost']:,.0f}"),
    ]
    return markdown([f"{sockets:,} sockets", ""], rows)


def _seconds(figures: dict[str, float], sockets: int) -> str:
    return f"{sockets / figures['connects']:.1f}"


def _steady(figures: dict[str, float]) -> str:
    return ", ".join(
        "{:,.0f} / {:,.0f}".format(
            figures[f"steady_{one}_p50_ms"], figures[f"steady_{one}_p99_ms"]
        )
        for one in range(1, phases.STRETCHES + 1)
    )
