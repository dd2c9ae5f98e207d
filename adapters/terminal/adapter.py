"""A conversation in the terminal, as one more platform: what is typed is a direct message, the answer grows below it.

One person, one conversation for each start. Where standard output is no terminal, each answer is printed once, whole.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console, RenderableType
from rich.live import Live
from rich.markdown import Markdown
from rich.text import Text

from bot.adapter import Description, Sink
from bot.command_line import split_command
from bot.messages import Address, Author, CommandInvoked, IncomingMessage, PartKey, Place, Reply

PLATFORM = "terminal"
PROMPT = "you › "
SLASH = "/parley"
# So often a growing answer is drawn anew; what a person can follow.
PREVIEW_SECONDS = 0.1
REDRAWS_PER_SECOND = 12


class TerminalAdapter:
    """Reads lines and shows answers. Implements `Adapter`, `ShowsStatus`, `KnowsPlaces` and `HearsEnds`.

    `conversation` names this start's; `person` is who types. Serves until the input ends, or `stop`.
    """

    status_seconds = 3_600.0

    def __init__(self, person: str, conversation: str, console: Console | None = None) -> None:
        self._person = Author(person, person, is_admin=True)
        self._address = Address(PLATFORM, PLATFORM, "chat", conversation)
        self._console = console or Console()
        self._live: Live | None = None
        self._messages: dict[str, str] = {}
        self._status = ""
        self._numbers = itertools.count(1)
        self._begun = datetime.now(UTC)
        self._ended = asyncio.Event()
        self._stop = asyncio.Event()

    async def start(self, sink: Sink) -> None:
        """Read and hand on line after line; each waits until the one before has been answered."""
        sink.connected(self.describe(), "nothing")
        lines = await _standard_input()
        stopping = asyncio.create_task(self._stop.wait())
        try:
            while not self._stop.is_set():
                self._prompt()
                reading = asyncio.create_task(lines.readline())
                await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not reading.done():
                    reading.cancel()
                    break
                line = reading.result()
                if not line:
                    break
                if said := line.decode(errors="replace").strip():
                    await self._said(sink, said, stopping)
        finally:
            stopping.cancel()

    async def stop(self) -> None:
        """End `start`."""
        self._stop.set()
        self._draw_for_good()

    async def send(self, address: Address, reply: Reply, key: PartKey, *, reply_to: str | None = None) -> str:
        """Show one more message of the answer."""
        message_id = f"{key.turn}-{key.number}"
        self._messages[message_id] = reply.text
        self._draw()
        return message_id

    async def edit(self, address: Address, message_id: str, reply: Reply) -> None:
        """Let a message of the answer grow."""
        self._messages[message_id] = reply.text
        self._draw()

    async def fetch_history(
        self, address: Address, *, before: str | None = None, after: str | None = None, limit: int = 100
    ) -> Sequence[IncomingMessage]:
        """Nothing was said here before."""
        return ()

    def describe(self) -> Description:
        """Who the bot is here; there are no limits to keep."""
        return Description(
            PLATFORM,
            bot_id="parley",
            bot_name="Parley",
            fits=lambda _: True,
            limits=(),
            preview_seconds=PREVIEW_SECONDS,
        )

    async def show_status(self, address: Address, text: str) -> bool:
        """Say that the model is at work."""
        self._status = text
        self._draw()
        return True

    async def place(self, address: Address) -> Place:
        """Where one is."""
        return Place(workspace_name="the terminal")

    def ended(self, address: Address) -> None:
        """The answer stands whole: the next line may be typed."""
        self._draw_for_good()
        self._ended.set()

    async def _said(self, sink: Sink, said: str, stopping: asyncio.Task[bool]) -> None:
        number = str(next(self._numbers))
        if said.split(maxsplit=1)[0] == SLASH:
            name, arguments = split_command(said.removeprefix(SLASH))
            command = CommandInvoked(self._address, self._person, name or "show", arguments, id=number)
            self._console.print()
            self._console.print(Markdown((await sink.command(command)).text))
            return
        self._ended.clear()
        message = IncomingMessage(
            address=self._address,
            id=f"{self._address.thread}-{number}",
            author=self._person,
            text=said,
            mentions_bot=True,
            sent_at=datetime.now(UTC),
            direct=True,
        )
        await sink.receive(message)
        answered = asyncio.create_task(self._ended.wait())
        await asyncio.wait({answered, stopping}, return_when=asyncio.FIRST_COMPLETED)
        answered.cancel()

    def _prompt(self) -> None:
        if self._console.is_terminal:
            self._console.print(f"\n{PROMPT}", end="", style="bold")

    def _draw(self) -> None:
        if not self._console.is_terminal:
            return
        if self._live is None:
            # Apart from what was typed, and at the beginning of a line whoever ended that one.
            self._console.print()
            self._live = Live(console=self._console, refresh_per_second=REDRAWS_PER_SECOND, transient=False)
            self._live.start()
        self._live.update(self._shown())

    def _draw_for_good(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.update(self._shown())
            live.stop()
        elif self._messages:
            self._console.print("\n\n".join(self._messages.values()), markup=False, highlight=False, soft_wrap=True)
        self._messages.clear()
        self._status = ""

    def _shown(self) -> RenderableType:
        if self._messages:
            return Markdown("\n\n".join(self._messages.values()))
        return Text(f"Parley {self._status}" if self._status else "", style="dim")


async def _standard_input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader
