"""Usage as a picture: `python -m bot.charts` reads a chart as JSON from standard input and writes a PNG.

It runs in a process of its own (`drawing.py`): the library takes a second to load and 60 MB, which a worker should not
carry, and drawing would hold its loop up. Here it is loaded when something is drawn, not before.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

# Paul Tol's bright ones and an orange, told apart by people who see colours differently: https://personal.sran.nl/~pault/
COLOURS = ("#4477AA", "#EE6677", "#228833", "#CCBB44", "#66CCEE", "#AA3377", "#EE8866", "#999999")
CARD, INK, FAINT = "#FFFFFF", "#222222", "#D8D8D8"
# Inches and dots for each of them: 1600 × 1000 pixels.
SIZE, DOTS = (10.0, 6.25), 160
MOST_DAYS_NAMED = 8
# Inches around everything.
MARGIN = 0.2
# Asked for in turn by what is written: names are in any script.
FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "WenQuanYi Zen Hei",
    "Noto Sans Arabic",
    "Arial Unicode MS",
)


@dataclass(frozen=True, slots=True)
class Series:
    """One colour of a chart: its name, and a value for each day."""

    name: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars by day, each stacked of the series; `unit` is what is counted, `note` a word below the title."""

    title: str
    unit: str
    days: tuple[str, ...]  # as ISO 8601 writes them
    series: tuple[Series, ...]
    note: str = ""

    def to_json(self) -> bytes:
        """As text, for another process."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Chart:
        """Back from its text. Raises ValueError, TypeError or KeyError where it is none."""
        fields = json.loads(text)
        series = tuple(Series(each["name"], tuple(each["values"])) for each in fields.pop("series"))
        return cls(series=series, days=tuple(fields.pop("days")), **fields)


def draw(chart: Chart) -> bytes:
    """The chart as a PNG: dark on a white card, so that it reads the same on a light and on a dark background."""
    import matplotlib as mpl  # noqa: PLC0415 (see the module's docstring)
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.font_manager import fontManager  # noqa: PLC0415
    from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: PLC0415

    installed = set(fontManager.get_font_names())
    # A name may hold a dollar sign, which begins a formula otherwise.
    style: Any = {
        "font.family": [font for font in FONTS if font in installed],
        "font.size": 12,
        "text.parse_math": False,
    }
    with mpl.rc_context(style):
        layout = ConstrainedLayoutEngine(w_pad=MARGIN, h_pad=MARGIN)
        figure = Figure(figsize=SIZE, dpi=DOTS, facecolor=CARD, layout=layout)
        canvas: Any = FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        _bars(axes, chart)
        _frame(axes, chart)
        if any(series.name for series in chart.series):
            # Not by labels of the bars: those that begin with an underscore are left out of a legend.
            figure.legend(
                [bars[0] for bars in axes.containers],
                [f" {series.name}" for series in chart.series],
                loc="outside lower center",
                ncols=3,
                frameon=False,
                labelcolor=INK,
                handlelength=1.2,
            )
        written = io.BytesIO()
        canvas.print_png(written)
    return written.getvalue()


def _bars(axes: Any, chart: Chart) -> None:
    places = range(len(chart.days))
    below = [0.0] * len(chart.days)
    for number, series in enumerate(chart.series):
        axes.bar(places, series.values, bottom=below, width=0.75, color=COLOURS[number % len(COLOURS)], zorder=2)
        below = [low + value for low, value in zip(below, series.values, strict=True)]
    axes.set_ylim(0, max(below, default=0.0) * 1.05 or 1.0)
    # A day alone is no wall of colour.
    axes.set_xlim(-max(0.6, 3.5 - len(chart.days)), len(chart.days) - 1 + max(0.6, 3.5 - len(chart.days)))


def _frame(axes: Any, chart: Chart) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator  # noqa: PLC0415

    axes.set_facecolor(CARD)
    title = f"{chart.title}\n{chart.note}" if chart.note else chart.title
    axes.set_title(title, loc="left", color=INK, fontsize=14, pad=12)
    axes.set_ylabel(chart.unit, color=INK)
    axes.set_xlabel("day (UTC)", color=INK)
    places = _named_days(len(chart.days))
    axes.set_xticks(places, [_day(chart.days[place]) for place in places])
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=chart.unit == "tokens"))
    axes.yaxis.set_major_formatter(FuncFormatter(_dollars if chart.unit == "US dollars" else _count))
    axes.tick_params(colors=INK, length=0)
    axes.grid(axis="y", color=FAINT, zorder=0)
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")
        spine.set_color(INK)


def _named_days(count: int) -> Sequence[int]:
    """Which days are named below the axis, the last one among them: as many as have room."""
    step = -(-count // MOST_DAYS_NAMED)
    return list(range(count - 1, -1, -step))[::-1]


def _day(iso: str) -> str:
    day = date.fromisoformat(iso)
    return f"{day.day} {day:%b}"


def _dollars(value: float, _place: int) -> str:
    return f"${value:,.6f}".rstrip("0").rstrip(".") if value < 1 else f"${value:,.2f}"


def _count(value: float, _place: int) -> str:
    return f"{value:,.0f}"


def main() -> None:
    """Draw what standard input asks for."""
    sys.stdout.buffer.write(draw(Chart.from_json(sys.stdin.buffer.read())))


if __name__ == "__main__":
    main()
