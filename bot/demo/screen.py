"""How the demo looks: a chat with names and colours, answers that grow in place, small grey lines that explain.

Knows rich and plain text; nothing of the platforms or of what holds.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.markdown import CodeBlock, Markdown
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.segment import Segment
from rich.syntax import Syntax
from rich.table import Table
from rich.terminal_theme import TerminalTheme
from rich.text import Text

WIDTH = 100
BOT = "Parley"
COLOURS = {"Slack": "#e8a33d", "Discord": "#8b93ff"}
BOT_STYLE = "bold #4fc38a"
MENTION_STYLE = "#6cb6ff"
GREY = "#8a8f98"
_NAME_WIDTH = 7
_MENTION = re.compile(r"@parley\b", re.IGNORECASE)
_FENCE = re.compile(r"^\s*(```|~~~)")

_PICTURE_THEME = TerminalTheme(
    (24, 26, 31),
    (214, 218, 226),
    [(24, 26, 31), (232, 102, 102), (79, 195, 138), (232, 163, 61), (108, 182, 255), (190, 140, 255), (90, 200, 210),
     (214, 218, 226)],
)  # fmt: skip


class Screen:
    """Prints the demo to one console."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def pictured(self, wanted: bool) -> Iterator[None]:
        """Whether a console that records keeps what is printed meanwhile."""
        before = self.console.record
        self.console.record = before and wanted
        try:
            yield
        finally:
            self.console.record = before

    @property
    def _grows(self) -> bool:
        """Whether something printed can be printed over; a log gets the last state alone."""
        return self.console.is_terminal and not self.console.is_dumb_terminal

    @property
    def beat(self) -> float:
        """Seconds between two lines, for those who watch; a log needs none."""
        return 0.7 if self.console.is_terminal else 0.0

    def header(self, model: str) -> None:
        """What this is. `model` says what answers."""
        answers = f"\nThe answers come from {model}." if model else "So is the model: no account, no key, no network."
        text = Text.assemble(
            ("Parley", BOT_STYLE), " at work.\n" if model else " at work, on this machine alone.\n",
            ("The bot is the real one, a process of its own. Slack and Discord are emulated on 127.0.0.1,\n", GREY),
            ("speaking the platforms' own protocols. ", GREY),
            (answers, GREY),
        )  # fmt: skip
        self.console.print(Panel(text, border_style=GREY, padding=(0, 2), width=self.console.width))

    def waiting(self, text: str) -> Live:
        """A line that stands while something takes its time, and goes."""
        return Live(Text(text, style=GREY), console=self.console, transient=True)

    def act(self, platform: str, place: str, title: str) -> None:
        """Where the next lines are said, and what there is to see."""
        colour = COLOURS[platform]
        head = Text.assemble((f"{platform} {place}", f"bold {colour}"), ("  ", ""), (title, "italic"))
        self.console.print()
        self.console.print(Rule(head, align="left", style=GREY))

    def person(self, name: str, colour: str, text: str, *, nested: bool) -> None:
        """What somebody says; `nested` in a thread or as a reply."""
        body = Text(text)
        body.highlight_regex(_MENTION, MENTION_STYLE)
        self.console.print(_line(name, f"bold {colour}", body, nested=nested))

    @contextmanager
    def answer(self, *, nested: bool) -> Iterator[Callable[[Sequence[str], str], None]]:
        """The bot's answer, growing in place: call with its messages as Markdown, and with what is going on."""
        shown: list[str] = []
        with Live(console=self.console, auto_refresh=False, transient=not self._grows) as live:

            def show(messages: Sequence[str], status: str) -> None:
                if shown == [*messages, status]:
                    return
                shown[:] = [*messages, status]
                rows = [
                    _line("" if i else BOT, BOT_STYLE, markdown(message), nested=nested)
                    for i, message in enumerate(messages)
                ]
                if status:
                    doing = Text(status, style=f"italic {GREY}")
                    rows.append(_line("" if messages else BOT, BOT_STYLE, doing, nested=nested))
                live.update(Group(*rows), refresh=True)

            yield show
        if not self._grows:
            self.console.print(live.renderable)

    def explain(self, text: str) -> None:
        """A small grey line about what was just seen, which was looked up."""
        self._note("✓ ", "#4fc38a", text, GREY)

    def complain(self, text: str) -> None:
        """What should have been and was not."""
        self._note("✗ ", "bold red", f"This did not hold: {text}", "bold red")

    def event(self, text: str) -> None:
        """Something that happens to the bot rather than in the chat."""
        self._note("↯ ", "#e8a33d", text, "#e8a33d")

    def leave_out(self, text: str) -> None:
        """Why something is not shown."""
        self._note("– ", GREY, text, GREY)

    def private(self, text: str) -> None:
        """What the bot shows to the one who gave a command, and to nobody else."""
        seen = Text("only you can see this", style=f"italic {GREY}")
        self.console.print(_line(BOT, BOT_STYLE, Group(markdown(text), seen), nested=False))

    def say(self, text: str) -> None:
        """A line of the demo's own."""
        self.console.print(Text(text, style=GREY))

    def advise(self, text: str) -> None:
        """How to use the demo."""
        self.console.print(markdown(text))

    def prompt(self, text: Text) -> None:
        """What stands before the viewer's line."""
        self.console.print()
        self.console.print(text, end="")
        self.console.file.flush()

    def failure(self, what: str, log: str) -> None:
        """The bot's process let us down: what happened, and its last words."""
        self.console.print(Text(what, style="bold red"))
        if log:
            self.console.print(Panel(Text.from_ansi(log), title="the bot's last log lines", border_style="red"))

    def summary(self, rows: Sequence[tuple[str, str]], *, held: bool) -> None:
        """The count at the end: a figure and what it counts, row by row."""
        table = Table.grid(padding=(0, 2))
        table.add_column(justify="right", style="bold")
        table.add_column()
        for figure, meaning in rows:
            table.add_row(figure, meaning)
        title = (
            "[#4fc38a]All of it held.[/] Counted in the emulators" if held else "[bold red]Something did not hold.[/]"
        )
        self.console.print()
        self.console.print(
            Panel(
                table,
                title=title,
                title_align="left",
                border_style="#4fc38a" if held else "red",
                width=self.console.width,
                padding=(0, 2),
            )
        )

    def _note(self, mark: str, mark_style: str, text: str, style: str) -> None:
        row = Table.grid()
        row.add_column(width=2)
        row.add_column(overflow="fold")
        row.add_row(Text(mark, style=mark_style), Text(text, style=style))
        self.console.print(Padding(row, (0, 0, 0, _NAME_WIDTH + 3)))


@dataclass(frozen=True, slots=True)
class _Line:
    """A message: the speaker's name beside it, and a bar along it where it is in a thread."""

    name: Text
    body: RenderableType
    nested: bool

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        row = Table.grid()
        row.add_column(width=_NAME_WIDTH + 1)
        row.add_column(overflow="fold")
        row.add_row(self.name, self.body)
        bar = Segment("│ " if self.nested else "  ", console.get_style(GREY))
        for line in console.render_lines(row, options.update(width=options.max_width - 2), pad=False):
            yield bar
            yield from line
            yield Segment.line()


def _line(name: str, style: str, body: RenderableType, *, nested: bool) -> _Line:
    return _Line(Text(name, style=style), body, nested)


def markdown(text: str) -> Markdown:
    """Markdown as a chat shows it: a line break is a line break."""
    lines, fenced = [], False
    for line in text.split("\n"):
        opens_or_closes = bool(_FENCE.match(line))
        lines.append(line if fenced or opens_or_closes or not line.strip() else f"{line}  ")
        fenced ^= opens_or_closes
    return _ChatMarkdown("\n".join(lines), code_theme="monokai")


class _Code(CodeBlock):
    """A code block without blank lines around it."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Syntax(str(self.text).rstrip(), self.lexer_name, theme=self.theme, word_wrap=True, padding=(0, 1))


class _ChatMarkdown(Markdown):
    elements: ClassVar = {**Markdown.elements, "fence": _Code, "code_block": _Code}


def terminal() -> Console:
    """Standard output, not wider than is good to read; a log gets the same width."""
    console = Console(highlight=False)
    if sys.stdout.isatty():
        console.width = min(console.width, WIDTH)
    else:
        console.width = WIDTH
    return console


def recording() -> Console:
    """A console that shows nothing and remembers all for `save`."""
    return Console(file=io.StringIO(), record=True, width=WIDTH, highlight=False)


def save(console: Console, path: Path) -> None:
    """Write what `console` remembers as an SVG that loads no font from anywhere."""
    svg = console.export_svg(title="make demo", theme=_PICTURE_THEME, unique_id="parley")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    path.write_text(svg.replace("Fira Code, monospace", "ui-monospace, 'SF Mono', Menlo, Consolas, monospace"))
