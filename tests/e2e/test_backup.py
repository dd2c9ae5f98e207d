"""`parley backup` as an admin runs it: beside a worker at work, with no setting but the database's."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.__main__ import cli
from emulators.slack.model import User
from storage.backup import back_up
from tests.e2e.stage import Stage
from tests.e2e.test_start import run

BACKUPS = 4
AT_ONCE = 9
LINE = re.compile(r"(?P<file>.+): (?P<size>[\d.]+) MB, (?P<messages>[\d,]+) messages, [\d.]+ s\n")


def stored(database: Path) -> set[str]:
    connection = sqlite3.connect(database)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {id_ for (id_,) in connection.execute("SELECT platform_id FROM messages")}
    finally:
        connection.close()


def hidden(folder: Path) -> list[Path]:
    """What an unfinished backup would leave."""
    return list(folder.glob(".*"))


@pytest.mark.timeout(240)
async def test_backups_taken_under_load_are_whole_and_hold_all_that_was_acknowledged(
    on_stage: Stage, tmp_path: Path
) -> None:
    slack, discord = on_stage.slack, on_stage.discord
    people = [slack.add_user(name) for name in ("ada", "ben", "cy")]
    general, bob, studio = slack.add_channel("general"), discord.add_user("bob"), discord.add_channel("studio")
    on_stage.extra["PARLEY_PLATFORM_LIMITS"] = "none"
    for limited in ("USER", "CHANNEL", "WORKSPACE"):
        on_stage.extra[f"PARLEY_{limited}_MESSAGES_PER_MINUTE"] = "100000"
    enough = asyncio.Event()
    asked: list[User] = []

    async def ask_on() -> None:
        while not enough.is_set():
            for person in people:
                await slack.say(person, general, "and now?", mention=True)
            await discord.say(bob, studio, "and now?", mention=True)
            asked.extend(people)
            # No more than the worker can take, however slow the machine is.
            await slack.wait_for(lambda: len(slack.bot_messages(general)) > len(asked) - AT_ONCE, timeout=90)

    def acknowledged() -> set[str]:
        # Of people alone: the bot is told of its own messages too, and stores an answer once it is whole.
        events = [delivery.payload["event"] for delivery in slack.deliveries if delivery.acked]
        return {event["ts"] for event in events if event["type"] == "app_mention"}

    url = on_stage.environment["DATABASE_URL"]
    async with on_stage.process():
        asking = asyncio.create_task(ask_on())
        for number in range(BACKUPS):
            least = len(acknowledged()) + 3
            await slack.wait_for(lambda least=least: len(acknowledged()) >= least, timeout=90)  # type: ignore[misc]
            before = acknowledged()
            copy = tmp_path / f"copy-{number}.db"
            made = await asyncio.to_thread(back_up, url, copy, replace=False)
            assert before <= stored(copy)
            assert made.messages == len(stored(copy))
        before = acknowledged()
        ended = await run("backup", "copy.db", cwd=tmp_path, DATABASE_URL=url)
        enough.set()
        await asking
    assert ended.code == 0, ended.out
    said = LINE.fullmatch(ended.out)
    assert said, ended.out
    assert said["file"] == str(tmp_path / "copy.db")
    assert int(said["messages"].replace(",", "")) == len(stored(tmp_path / "copy.db"))
    assert before <= stored(tmp_path / "copy.db")
    assert not hidden(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        (["copy.db"], {}, "there is no database at"),
        (["copy.db"], {"DATABASE_URL": "mysql://host/db"}, "DATABASE_URL: the database kind 'mysql' is not supported"),
        (["copy.db"], {"PARLEY_SECRETS_DIR": "none"}, "PARLEY_SECRETS_DIR: there is no folder none"),
        ([".", "--force"], {"DATABASE_URL": f"sqlite:///{__file__}"}, "is a folder"),
    ],
)
def test_what_keeps_a_backup_from_being_made_is_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    environment: dict[str, str],
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(cli, ["backup", *arguments], env={"DATABASE_URL": "sqlite:///none.db", **environment})
    assert ended.exit_code == 2, ended.output
    assert ended.stdout == ""
    assert ended.stderr.startswith("No backup was made: ")
    assert expected in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


_LOADS_LITTLE = """
import sys
from bot.__main__ import cli
try:
    cli(["backup", "copy.db"])
except SystemExit:
    pass
heavy = {"slack_bolt", "slack_sdk", "discord", "openai", "alembic", "bpe_openai", "aiohttp"}
sys.exit(f"loaded: {sorted(heavy & set(sys.modules))}" if heavy & set(sys.modules) else 0)
"""


def test_a_backup_loads_no_platform_and_no_model(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOADS_LITTLE], check=False, capture_output=True, text=True,
        env={"DATABASE_URL": f"sqlite:///{tmp_path / 'none.db'}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "there is no database at" in done.stderr
