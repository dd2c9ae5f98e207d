"""The demo: an emulated Slack, Discord and OpenAI on loopback, the real bot in its own process, and people who talk.

`show` puts the parts together: the stage, the screen, the script, and on a terminal the talk after it. The only place
of the product that imports the emulators.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bot.demo import script, talk
from bot.demo.keyboard import Keyboard
from bot.demo.screen import WIDTH, Screen, picture_console, save_picture
from bot.demo.stage import BotEnded, raised

EXIT_SHOWN = 0
EXIT_NOT_HELD = 1
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def show(picture: Path | None = None) -> int:
    """Play every act and return the exit code: 0 where all of it held, 1 where something did not.

    On a terminal it stays open for the viewer to talk to the bot. `picture` makes an SVG of some acts instead.
    """
    wish = _Leave()
    console = picture_console() if picture else Console(width=_width(), highlight=False)
    screen = Screen(console)
    with Keyboard.quiet() as keyboard, _leaving_by_signal(wish):
        try:
            async with raised(os.environ) as stage:
                screen.header(stage)
                with screen.busy("Starting the bot…"):
                    await stage.begin()
                held = await script.play(stage, screen)
                if picture:
                    await asyncio.to_thread(save_picture, console, picture)
                elif keyboard and sys.stdout.isatty():
                    wish.is_ordinary = True
                    await talk.talk(stage, screen, keyboard)
        except BotEnded as ended:
            screen.failure(str(ended), ended.log)
            return EXIT_NOT_HELD
        except asyncio.CancelledError:
            if not wish.signal:
                raise
            screen.say("Stopped.")
            if not (wish.is_ordinary and wish.signal == signal.SIGINT):
                return 128 + wish.signal
            held = True
    return EXIT_SHOWN if held else EXIT_NOT_HELD
