"""The plots of how cost grows, in one PNG."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from bench.deadline import BenchError
from bench.growth import Points


COLOURS = {"limit": "#8c8c8c", "plain": "#d98032", "relay": "#2463a8"}

#: Each panel: sweep, keys with their line styles, title, scale of the y axis.
PANELS = (
    ("sockets", {"burst": "-"}, "room messages a second", "log"),
    ("sockets", {"lag_ms": "-"}, "room lag in ms (99 %)", "log"),
    (
        "sockets",
        {"idle_mib": "--", "burst_mib": "-"},
        "MiB gained: idle (dashed), after a burst",
        "linear",
    ),
    ("size", {"burst": "-"}, "room messages a second", "log"),
    ("rooms", {"rooms": "-"}, "room messages a second", "log"),
    (
        "nodes",
        {"burst": "-", "direct": "--"},
        "a second: rooms, direct (dashed)",
        "log",
    ),
)

X_AXES = {
    "sockets": ("sockets in one room", "linear"),
    "size": ("bytes of a message", "log"),
    "rooms": ("rooms", "log"),
    "nodes": ("nodes on one core", "linear"),
}


def check_matplotlib() -> None:
    """Refuses to go on without what draws the plots."""
    if find_spec("matplotlib") is None:
        raise BenchError(
            "matplotlib not installed: pip install 'freeim[bench]' "
            "(in a checkout: pip install -e '.[bench]')"
        )


def draw(sweeps: Mapping[str, Points], file: str) -> None:
    """Writes the plots of all sweeps into a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6.2), layout="constrained")
    FigureCanvasAgg(figure)
    places = figure.subplots(2, 3).flat
    for place, (name, keys, title, scale) in zip(places, PANELS):
        label, x_scale = X_AXES[name]
        place.set(title=title, xlabel=label, xscale=x_scale, yscale=scale)
        _lines(place, sweeps[name], keys)
    figure.savefig(file, format="png", dpi=80)


def _lines(place: Any, points: Points, keys: Mapping[str, str]) -> None:
    for subject, some in points.items():
        for key, style in keys.items():
            known = [(point["step"], point[key]) for point in some if key in point]
            if known:
                x, y = zip(*known)
                colour = COLOURS[subject]
                place.plot(x, y, style, color=colour, marker=".", label=subject)
    if len({point["step"] for some in points.values() for point in some}) < 4:
        place.set_xticks([point["step"] for point in next(iter(points.values()))])
    place.title.set_fontsize(10)
    place.grid(alpha=0.3)
    handles, labels = place.get_legend_handles_labels()
    named = dict(zip(labels, handles))
    place.legend(named.values(), named.keys(), fontsize=8)
