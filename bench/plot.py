"""The plots of how cost grows, in one PNG."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from bench.deadline import BenchError
from bench.growth import Points


COLOURS = {"limit": "#8c8c8c", "plain": "#d98032", "relay": "#2463a8"}

ROOM, LINEAR, LOG = "room messages a second", "linear", "log"

#: Each panel: sweep, keys with their line styles, title, scales of the axes.
PANELS = (
    ("sockets", {"burst": "-"}, ROOM, LOG, LINEAR),
    ("sockets", {"lag_ms": "-"}, "room lag in ms, 99 %", LOG, LOG),
    (
        *("sockets", {"idle_mib": "--", "burst_mib": "-"}),
        *("MiB for sockets: idle (dashed), after a burst", LINEAR, LINEAR),
    ),
    ("size", {"burst": "-"}, ROOM, LOG, LINEAR),
    ("rooms", {"rooms": "-"}, ROOM, LOG, LINEAR),
    (
        *("nodes", {"burst": "-", "direct": "--"}),
        *("messages a second: room, direct (dashed)", LINEAR, LINEAR),
    ),
)

X_LABELS = {
    "sockets": "sockets in one room",
    "size": "bytes of a message",
    "rooms": "rooms",
    "nodes": "nodes on one core",
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
    for place, (name, keys, title, x_scale, y_scale) in zip(places, PANELS):
        label = X_LABELS[name]
        place.set(title=title, xlabel=label, xscale=x_scale, yscale=y_scale)
        _lines(place, sweeps[name], keys)
        _dress(place)
    figure.savefig(file, format="png", dpi=80)


def _lines(place: Any, points: Points, keys: Mapping[str, str]) -> None:
    steps = [point["step"] for point in next(iter(points.values()))]
    for subject, some in points.items():
        for key, style in keys.items():
            known = [(point["step"], point[key]) for point in some if key in point]
            if known:
                x, y = zip(*known)
                colour = COLOURS[subject]
                place.plot(x, y, style, color=colour, marker=".", label=subject)
    if len(steps) < 5:
        place.set_xticks(steps, [f"{step:,.0f}" for step in steps], minor=False)
        place.set_xticks([], minor=True)


def _dress(place: Any) -> None:
    from matplotlib.ticker import NullFormatter

    for axis in (place.xaxis, place.yaxis):
        # Numbers, not powers of ten.
        axis.set_major_formatter("{x:,.10g}")
        axis.set_minor_formatter(NullFormatter())
    if place.get_yscale() == LINEAR:
        place.set_ylim(bottom=0)
    place.title.set_fontsize(10)
    place.tick_params(labelsize=8)
    place.grid(alpha=0.3)
    # A subject with two lines is named once.
    handles, labels = place.get_legend_handles_labels()
    named = dict(zip(labels, handles))
    place.legend(named.values(), named.keys(), fontsize=8)
