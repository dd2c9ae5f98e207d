"""The demo's second half: the viewer chooses a place, writes, and sees the bot answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from rich.text import Text

from bot.demo.cast import YOU, Cast
from bot.demo.keyboard import Keyboard
from bot.demo.places import MENTION, Place, Question
from bot.demo.screen import COLOURS, GREY, Screen
from bot.demo.script import Unanswered, follow
from bot.demo.stage import Stage

# A line that is not for the bot: how long to look whether it keeps silent.
SILENCE_SECONDS = 1.2
HELP = """\
Write something. In a channel `@Parley …` starts a conversation; what you write next goes on in it without a mention.
- `/place` lists the places, `/place 3` goes to one
- `/parley help`, `/parley show`, `/parley set NAME VALUE`, `/parley reset NAME`: the bot's own commands
- `/help` shows this, `/quit` or Ctrl-D ends"""


@dataclass(slots=True)
class Talk:
    """Where the viewer is, and the conversation they are in at each place."""

    stage: Stage
    screen: Screen
    places: tuple[Place, ...]
    place: Place
    conversations: dict[str, Question] = field(default_factory=dict)

    async def take(self, line: str) -> bool:
        """Do what a line asks for; False where it asks to end."""
        word, _, rest = line.partition(" ")
        match word.lower():
            case "":
                pass
            case "/quit" | "/exit":
                return False
            case "/help":
                self.screen.advise(HELP)
            case "/place":
                self._go(rest.strip())
            case "/parley":
                shown = await self.place.command(YOU, rest.strip())
                self.screen.private(shown or "Nothing came back: there is no such command here.")
            case command if command.startswith("/"):
                self.screen.say(f"There is no {command} here; /help lists what there is.")
            case _:
                await self._say(line)
        return True

    async def _say(self, text: str) -> None:
        key = title(self.place)
        mentioned, direct = bool(MENTION.search(text)), self.place.direct
        after = None if mentioned else self.conversations.get(key)
        question = await self.place.say(YOU, text, after)
        if not (mentioned or direct or after):
            await asyncio.sleep(SILENCE_SECONDS)
            if not self.place.answers(question) and not await self.stage.waiting():
                self.screen.say(f"Nobody mentioned Parley, so it stays silent. Try: @Parley {text}")
                return
        await follow(self.stage, self.screen, self.place, question, nested=not direct)
        self.conversations[key] = question

    def _go(self, wanted: str) -> None:
        for number, place in enumerate(self.places, 1):
            if wanted and wanted.lower() in (str(number), title(place).lower(), place.name.lower()):
                self.place = place
                return
        if wanted:
            self.screen.say(f"There is no place {wanted}.")
        for number, place in enumerate(self.places, 1):
            here = "  ← you are here" if place is self.place else ""
            self.screen.say(f"  {number}  {title(place)}{here}")


async def talk(stage: Stage, screen: Screen, cast: Cast, keyboard: Keyboard) -> None:
    """Let the viewer talk until they have enough. Raises `BotEnded`."""
    places = tuple(cast.open_to_you)
    session = Talk(stage, screen, places, places[0])
    keyboard.forget()
    screen.say(f"\nYour turn: the bot stays on. You are {YOU.name}, an admin in Slack and in Discord.")
    screen.advise(HELP)
    while True:
        place = session.place
        screen.prompt(
            Text.assemble(
                (title(place), f"bold {COLOURS[place.platform]}"), (f" {YOU.name}", f"bold {YOU.colour}"), (" ❯ ", GREY)
            )
        )
        line = await keyboard.line()
        if line is None:
            screen.say("")
            return
        stage.look()
        try:
            if not await session.take(line.strip()):
                return
        except Unanswered as failure:
            screen.complain(str(failure))


def title(place: Place) -> str:
    """`Slack #general`."""
    return f"{place.platform} {place.name}"
