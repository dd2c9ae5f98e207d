"""The demo: an emulated Slack, Discord and OpenAI on loopback, the real bot in its own process, and people who talk.

`show` puts the parts together: the stage, the screen, the script, and on a terminal the talk after it. The only place
of the product that knows the emulators.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.demo import screen as screens
from bot.demo import script
from bot.demo.cast import engage
from bot.demo.keyboard import Keyboard
from bot.demo.screen import Screen
from bot.demo.stage import BotEnded, raised
from bot.demo.talk import talk

EXIT_SHOWN = 0
EXIT_NOT_HELD = 1
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(slots=True)
class _Leave:
    """The signal that asked to leave, and whether leaving by Ctrl-C is the ordinary way out just now."""

    signal: int = 0
    ordinary: bool = False

    @property
    def exit_code(self) -> int:
        """0 for the ordinary way, else what a shell makes of a signal."""
        return EXIT_SHOWN if self.ordinary and self.signal == signal.SIGINT else 128 + self.signal


async def show(picture: Path | None = None, *, acts: bool = True) -> int:
    """Play every act (unless `acts` is off) and return the exit code: 0 where all held, 1 where something did not.

    On a terminal it stays open for the viewer to talk to the bot. `picture` makes an SVG of it instead.
    """
    console = screens.recording() if picture else screens.terminal()
    screen = Screen(console)
    with Keyboard.quiet() as keyboard, _leaving_by_signal() as leave:
        try:
            async with raised(os.environ) as stage:
                cast = engage(stage)
                screen.header("" if stage.openai else stage.model)
                with screen.waiting("Starting the bot…"):
                    await stage.begin()
                held = await script.play(stage, screen, cast) if acts else True
                if keyboard and sys.stdout.isatty() and not picture:
                    leave.ordinary = True
                    await talk(stage, screen, cast, keyboard)
        except BotEnded as ended:
            screen.failure(str(ended), ended.log)
            return EXIT_NOT_HELD
        except asyncio.CancelledError:
            if not leave.signal:
                raise
            screen.say("" if leave.ordinary else "Stopped.")
            return leave.exit_code
    if picture:
        await asyncio.to_thread(screens.save, console, picture)
    return EXIT_SHOWN if held else EXIT_NOT_HELD


@contextmanager
def _leaving_by_signal() -> Iterator[_Leave]:
    """Ctrl-C, a closed terminal and SIGTERM end the demo in order; a second one does not disturb the first."""
    leave, loop, playing = _Leave(), asyncio.get_running_loop(), asyncio.current_task()

    def on_signal(number: int) -> None:
        if not leave.signal and playing is not None:
            leave.signal = number
            playing.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield leave
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
