"""`parley chat`: a conversation with the bot in the terminal, by the same engine, database and model as in a team."""

from __future__ import annotations

import asyncio
import getpass
import signal
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime

from adapters.terminal.adapter import PLATFORM, TerminalAdapter
from bot import app
from bot.controls.table import CONTROLS
from bot.errors import Problem, SettingsInvalid
from bot.messages import Address, Author, CommandInvoked
from bot.setting_commands import unknown
from bot.settings import Settings

WELCOME = "Type, and I answer. `!set temperature 0.2`, `!show`, `!try` and the others work here too; Ctrl-D ends it."


def changes(given: list[str]) -> Mapping[str, str]:
    """`NAME=VALUE` of the command line, by name. Raises `SettingsInvalid`."""
    found: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        control = CONTROLS.get(name.strip().lower())
        if control is None or not equals:
            wrong = unknown(name).splitlines()[0] if equals else f"`{each}` has no value"
            raise SettingsInvalid([Problem("--set", wrong, "Write it as NAME=VALUE, for example temperature=0.2.")])
        try:
            found[control.name] = control.kind.write(control.kind.read(value))
        except ValueError as mistake:
            raise SettingsInvalid([Problem(f"--set {control.name}", str(mistake), control.example)]) from None
    return found


async def talk(settings: Settings, changed: Mapping[str, str]) -> None:
    """Serve the terminal until its input ends. Raises `DatabaseUnusable`."""
    person = getpass.getuser()
    conversation = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"
    adapter = TerminalAdapter(person, conversation)
    with tempfile.TemporaryDirectory(prefix="parley-chat-") as folder:
        # A worker may run on the same database: what is told of its health is its own.
        apart = settings.model_copy(update={"parley_health_file": f"{folder}/health.json"})
        await _serve(apart, adapter, Address(PLATFORM, PLATFORM, "chat", conversation), changed)


async def _serve(settings: Settings, adapter: TerminalAdapter, address: Address, changed: Mapping[str, str]) -> None:
    async with app.build(settings, offered={PLATFORM: adapter}) as worker:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, worker.stop)
        author = Author("host", "the command line", is_admin=True)
        for name, value in changed.items():
            given = CommandInvoked(address, author, "set", (name, value, "thread"))
            result = await worker.desk.commands.run(given)
            if not result.notice:
                raise SettingsInvalid([Problem(f"--set {name}", result.answer.text, CONTROLS[name].example)])
        await worker.serve()
