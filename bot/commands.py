"""The commands, once for both platforms: which there are, and to whom each goes. What each does has its own room."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from bot.interactions import CommandAnswer, CommandOption, CommandSpec, FormSubmitted
from bot.messages import Address, Author, CommandInvoked
from bot.policy import is_admin, refuse_question
from bot.results import Result
from bot.secret_shapes import HIDDEN, looks_secret
from bot.setting_commands import SettingCommands, names
from bot.wording import quotable

_SETTING = CommandOption("setting", "Which one", suggests=True)
_SCOPE = CommandOption(
    "scope", "For what; this channel if you name nothing", required=False, choices=("workspace", "channel", "thread")
)
# What a platform that registers its commands offers below /parley.
COMMANDS = (
    CommandSpec("help", "What I can do and what can be set"),
    CommandSpec("show", "The settings that hold here, and where each comes from"),
    CommandSpec(
        "set",
        "Change a setting; without a value a form opens to write one, of several lines too",
        (_SETTING, CommandOption("value", "Its new value", required=False, suggests=True), _SCOPE),
    ),
    CommandSpec("reset", "Take a setting back", (_SETTING, _SCOPE)),
    CommandSpec(
        "usage",
        "What was asked, and what it cost",
        (
            CommandOption("period", "Of when; this month if you name nothing", False, ("day", "week", "month")),
            CommandOption("by", "In parts, by what", False, ("user", "channel", "model")),
        ),
    ),
    CommandSpec("forget", "Wipe what was said here from my memory"),
    CommandSpec("stop", "Stop what I'm writing here"),
    CommandSpec("mute", "Be quiet in this thread unless somebody mentions me"),
    CommandSpec("unmute", "Take part in this thread again"),
    CommandSpec(
        "try",
        "Ask once with other settings, beside the present ones; only you see it",
        (CommandOption("what", "NAME=VALUE … | question"),),
    ),
)
# The same, as Slack shows it while one types.
USAGE = "help | show | set NAME VALUE | reset NAME | usage | forget | stop | try NAME=VALUE | question"

Run = Callable[[CommandInvoked], Awaitable[Result]]

HELP = """\
Mention me with a question and I answer; I remember what was said in the conversation.

- `/parley show`: the settings that hold here
- `/parley set NAME VALUE`: change one for this channel; `set workspace NAME VALUE` for all of them, \
`set thread NAME VALUE` for one thread
- `/parley reset NAME`: take it back
- `/parley usage [day|week|month] [user|channel|model]`: what was asked, and what it cost
- `/parley try NAME=VALUE … | question`: ask once with other settings, beside the present ones
- `/parley stop`: stop what I'm writing here
- `/parley forget`: wipe what was said here from my memory
- `!mute` in a thread: I'm quiet there unless somebody mentions me; `!unmute` brings me back

Each works in a message to me too: `!show`, `!stop` and so on. In threads on Slack that is the only way.

The settings:

"""


@dataclass(frozen=True, slots=True)
class Commands:
    """Carries commands out; `others` are those that are no settings' business, by their names.

    Whoever is not answered in a place gives no commands there either, by whatever door they come.
    """

    setting: SettingCommands
    others: Mapping[str, Run]

    async def run(self, command: CommandInvoked) -> Result:
        """What a command comes to. Raises `StorageFailed`."""
        name = command.name.lower()
        if name != "help" and (refused := await self._refusal(command.author, command.address)):
            return Result(CommandAnswer(refused))
        match name:
            case "show":
                return await self.setting.show(command)
            case "set":
                return await self.setting.set(command)
            case "reset":
                return await self.setting.reset(command)
            case "":
                return await self.setting.form(command)
            case "help":
                return Result(CommandAnswer(HELP + names()))
        run = self.others.get(name)
        if run is not None:
            return await run(command)
        shown = HIDDEN if looks_secret(command.name) else quotable(name, 40)
        return Result(CommandAnswer(f"I don't know the command `{shown}`.\n\n{HELP}{names()}"))

    async def submit(self, submitted: FormSubmitted) -> Result:
        """Take a form in. Raises `StorageFailed`."""
        if refused := await self._refusal(submitted.author, submitted.address):
            return Result(CommandAnswer(refused, problems=dict.fromkeys(submitted.values, refused)))
        return await self.setting.submit(submitted)

    async def _refusal(self, author: Author, address: Address) -> str:
        """Why somebody is not heard here. An admin is, also in a place where nothing is answered: to change that."""
        settings = self.setting.settings
        if is_admin(author, settings):
            return ""
        return refuse_question(author, address, await self.setting.controls.at(address), settings)
