"""The start of the process: what keeps it from starting is one readable list, without a stack and without secrets."""

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.settings import Settings
from emulators.openai import Reply
from storage import Store
from tests.e2e import outages
from tests.e2e.stage import ROOT, Stage

# Each command is a process of its own, whose start takes its time where others use the machine.
pytestmark = pytest.mark.timeout(240)


@dataclass(frozen=True, slots=True)
class Ended:
    code: int | None
    out: str


async def run(*arguments: str, cwd: Path, **environment: str) -> Ended:
    """Run a command of the bot to its end, in a folder of its own, with nothing set but what is given."""
    ours = {name.upper() for name in Settings.model_fields}
    inherited = {name: value for name, value in os.environ.items() if name not in ours}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        *arguments,
        cwd=cwd,
        env={**inherited, "PYTHONPATH": str(ROOT), **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(90):
        out, _ = await process.communicate()
    return Ended(process.returncode, out.decode())


@pytest.mark.parametrize("arguments", [("run",), ()])
async def test_nothing_set_is_a_list_of_what_to_set(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    ended = await run(*arguments, cwd=tmp_path)
    assert ended.code == 2
    for variable in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "DISCORD_BOT_TOKEN", "OPENAI_API_KEY"):
        assert f"✗ {variable}" in ended.out
    assert "Traceback" not in ended.out


async def test_files_that_are_not_utf8_are_named_without_a_stack(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"OPENAI_API_KEY=\xff\xfe\n")
    (tmp_path / "openai_api_key").write_bytes(b"sk-\xff\xfe")
    ended = await run("run", cwd=tmp_path, PARLEY_SECRETS_DIR=str(tmp_path))
    assert ended.code == 2, ended.out
    assert "✗ .env: " in ended.out and "✗ openai_api_key: " in ended.out
    assert "Traceback" not in ended.out


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SLACK_BOT_TOKEN", "xoxb-not-the-right-one"),
        ("SLACK_APP_TOKEN", "xapp-not-the-right-one"),
        ("DISCORD_BOT_TOKEN", "not.the.right-one-of-discord"),
    ],
)
async def test_a_refused_token_names_its_variable_and_is_not_printed(
    on_stage: Stage, tmp_path: Path, variable: str, value: str
) -> None:
    ended = await run("run", cwd=tmp_path, **{**on_stage.environment, variable: value})
    assert ended.code == 2, ended.out
    assert f"✗ {variable}" in ended.out
    assert value not in ended.out
    assert "Traceback" not in ended.out
    on_stage.discord.complaints[:] = [c for c in on_stage.discord.complaints if "401: Unauthorized" not in c]


async def test_a_variable_that_is_no_setting_is_told_with_the_nearest_that_is(on_stage: Stage) -> None:
    on_stage.extra["PARLEY_CONCURENCY"] = "3"
    async with on_stage.process(cold=True) as worker:
        pass
    assert worker.process.returncode == 0
    assert '"nearest": "PARLEY_CONCURRENCY"' in worker.log.read_text()


async def test_a_platform_that_refuses_while_running_lets_the_others_finish_their_answers(on_stage: Stage) -> None:
    slack, discord = on_stage.slack, on_stage.discord
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    text = "to the last word of it " * 8
    on_stage.openai.script(Reply(text, by_words=True, chunk_delay=0.05))
    async with on_stage.process(cold=True) as worker:
        question = await slack.say(ada, general, "go", mention=True)
        await on_stage.openai.wait_for(lambda: on_stage.openai.calls)
        discord.reset_token()
        await discord.drop_gateway(4004)
        async with asyncio.timeout(60):
            assert await worker.process.wait() == 2
    assert [slack.visible_text(m) for m in slack.bot_messages(general, question.ts)] == [text.strip()]
    assert "✗ DISCORD_BOT_TOKEN" in worker.log.read_text()
    discord.complaints.clear()


async def test_a_database_that_stays_held_ends_the_start_so_that_a_host_tries_again(
    on_stage: Stage, tmp_path: Path
) -> None:
    async with on_stage.process() as worker:
        await worker.kill()  # it has made the database
    with outages.held(on_stage.folder / "parley.db"):
        ended = await run("run", cwd=tmp_path, **on_stage.environment)
    assert ended.code == 75, ended.out
    assert "✗ DATABASE_URL" in ended.out and "Another program holds it" in ended.out


async def test_every_refused_token_is_in_one_list(on_stage: Stage, tmp_path: Path) -> None:
    wrong = {"SLACK_BOT_TOKEN": "xoxb-wrong", "DISCORD_BOT_TOKEN": "wrong.discord.token"}
    ended = await run("run", cwd=tmp_path, **{**on_stage.environment, **wrong})
    assert ended.code == 2
    assert all(f"✗ {variable}" in ended.out for variable in wrong)
    on_stage.discord.complaints.clear()


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////dev/null/parley.db",
        "sqlite:////proc/parley.db",
        "sqlite://",
        "mysql://somewhere/db",
        "nonsense",
    ],
)
async def test_a_database_that_cannot_be_used_is_said_in_one_sentence(
    on_stage: Stage, tmp_path: Path, url: str
) -> None:
    ended = await run("run", cwd=tmp_path, **{**on_stage.environment, "DATABASE_URL": url})
    assert ended.code == 2, ended.out
    assert "✗ DATABASE_URL" in ended.out
    assert "Traceback" not in ended.out


async def test_the_doctor_says_all_is_well_or_what_is_not(on_stage: Stage, tmp_path: Path) -> None:
    on_stage.discord.add_user("bob")
    well = await run("doctor", cwd=tmp_path, **on_stage.environment)
    assert well.code == 0, well.out
    for name in ("Settings", "Database", "OpenAI", "Slack", "Discord"):
        assert name in well.out
    ill = await run("doctor", cwd=tmp_path, **{**on_stage.environment, "OPENAI_API_KEY": "sk-wrong-key-000"})
    assert ill.code == 1
    assert "✗ gpt-5.4-mini" in ill.out and "sk-wrong-key-000" not in ill.out
    bare = await run("doctor", cwd=tmp_path)
    assert bare.code == 1
    assert "✗ OPENAI_API_KEY" in bare.out


async def test_the_doctor_finds_damage_that_a_start_does_not_meet(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'parley.db'}"
    await (await Store.open(url)).close()
    outages.damage(tmp_path / "parley.db", "usage")
    await (await Store.open(url)).close()
    ill = await run("doctor", cwd=tmp_path, DATABASE_URL=url)
    assert ill.code == 1
    assert "✗ database: the file is damaged (" in ill.out
    assert "restore a backup" in ill.out
    assert "Traceback" not in ill.out


async def test_the_manifest_is_json_and_the_invite_a_link(tmp_path: Path) -> None:
    both = await run("manifest", cwd=tmp_path)
    assert both.code == 0
    assert '"socket_mode_enabled": true' in both.out
    assert "https://discord.com/" in both.out
    alone = await run("manifest", "discord", cwd=tmp_path)
    assert "socket_mode_enabled" not in alone.out
