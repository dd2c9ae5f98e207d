"""The pictures beside the pages: one look for all, readable on a light and on a dark page, told apart without colours.

Every series has a colour of its own that people who see colours differently can tell apart, and a mark of its own too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from bot.charts import CARD, COLOURS, FAINT, INK

# 1500 × 720 pixels: as wide as a page of text shows them, twice as fine.
SIZE, DOTS = (10.0, 4.8), 150
BLUE, RED, GREEN, GREY = COLOURS[0], COLOURS[1], COLOURS[2], "#777777"
HEADROOM = 1.12
"""Room above the greatest value, in which the words of a goal find a place."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One line: its points, and where they are known the least and the greatest value at each."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    least: Sequence[float] = ()
    most: Sequence[float] = ()
    colour: str = BLUE
    mark: str = "o"
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes. `goal`: a height that is not to be exceeded, with its words. An axis whose ticks are given is
    logarithmic."""

    title: str
    x: str
    y: str
    curves: Sequence[Curve]
    x_ticks: Sequence[float] = ()
    y_ticks: Sequence[float] = ()
    goal: tuple[float, str] | None = None


def save(path: Path, title: str, panels: Sequence[Panel]) -> None:
    """Draw the panels side by side, with one legend for all, and write the PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with rc_context({"font.family": "DejaVu Sans", "font.size": 11, "text.parse_math": False}):
        figure = Figure(
            figsize=SIZE, dpi=DOTS, facecolor=CARD, layout=ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.12, wspace=0.04)
        )
        canvas: Any = FigureCanvasAgg(figure)
        figure.suptitle(title, x=0.02, ha="left", color=INK, fontsize=14)
        for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            _draw(axes, panel)
        named = {
            label: handle
            for axes in figure.axes
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(
            list(named.values()), list(named), loc="outside lower center", ncols=4, frameon=False, labelcolor=INK
        )
        canvas.print_png(path)


def _draw(axes: Any, panel: Panel) -> None:
    axes.set_facecolor(CARD)
    for curve in panel.curves:
        axes.plot(
            curve.xs, curve.ys, label=curve.name, color=curve.colour, marker=curve.mark, markersize=5,
            linewidth=1.8, linestyle="--" if curve.dashed else "-", zorder=3,
        )  # fmt: skip
        if curve.least:
            axes.fill_between(curve.xs, curve.least, curve.most, color=curve.colour, alpha=0.15, linewidth=0, zorder=2)
    if panel.goal is not None:
        height, words = panel.goal
        axes.axhline(height, color=GREY, linewidth=1.2, linestyle=":", zorder=2)
        axes.annotate(
            words, (0.015, height), xycoords=("axes fraction", "data"), xytext=(0, 4), textcoords="offset points",
            color=GREY, fontsize=10,
        )  # fmt: skip
    axes.set_title(panel.title, loc="left", color=INK, fontsize=12)
    axes.set_xlabel(panel.x, color=INK)
    axes.set_ylabel(panel.y, color=INK)
    _scale(axes.xaxis, axes.set_xscale, panel.x_ticks)
    _scale(axes.yaxis, axes.set_yscale, panel.y_ticks)
    if panel.y_ticks:
        axes.set_ylim(panel.y_ticks[0], panel.y_ticks[-1])
    else:
        axes.set_ylim(0, HEADROOM * max(_heights(panel)))
    axes.tick_params(colors=INK, length=0)
    axes.grid(color=FAINT, linewidth=0.7, zorder=0)
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")
        spine.set_color(INK)


def _heights(panel: Panel) -> list[float]:
    """All values that the vertical axis has to show."""
    goal = [panel.goal[0]] if panel.goal else []
    return [*goal, *(value for curve in panel.curves for value in (*curve.ys, *curve.most))]


def _scale(axis: Any, set_scale: Callable[[str], None], ticks: Sequence[float]) -> None:
    if ticks:
        set_scale("log")
        axis.set_major_locator(FixedLocator(list(ticks)))
        axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _place: _number(value)))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:.3g}"


def decades(least: float, most: float) -> list[float]:
    """Ticks of a logarithmic axis, 1, 3, 10, 30 …, around what lies between `least` and `most`."""
    steps = [base * 10.0**power for power in range(-3, 8) for base in (1, 3)]
    first = max((step for step in steps if step <= least), default=steps[0])
    last = min((step for step in steps if step >= most), default=steps[-1])
    return [step for step in steps if first <= step <= last]
