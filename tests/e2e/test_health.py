"""`parley health`, as a host runs it, beside a real worker: it says what is true, and again when that has changed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

import adapters.discord.adapter
import adapters.slack.adapter
from adapters.discord.timing import Timing as DiscordWaits
from adapters.slack.connection import Timing as SlackWaits
from emulators.openai import Reply
from tests.e2e.stage import ROOT, Stage

LOCKER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def scene(on_stage: Stage) -> Stage:
    """A worker that writes often enough for a test to see what becomes of it."""
    on_stage.extra["PARLEY_HEALTH_SECONDS"] = "0.3"
    return on_stage


async def asked(scene: Stage, *arguments: str) -> tuple[int, str]:
    """The command's exit code and what it says. It gets no token: it needs none."""
    told = {"DATABASE_URL", "PARLEY_HEALTH_FILE"}
    environment = {name: value for name, value in scene.environment.items() if name in told}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "health", *arguments, cwd=scene.folder, stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


async def until(
    scene: Stage, holds: Callable[[dict[str, str]], bool], seconds: float = 40.0
) -> tuple[int, dict[str, str]]:
    """Ask until the marks by name are as wanted; returns the exit code of that time too."""
    marks: dict[str, str] = {}
    try:
        async with asyncio.timeout(seconds):
            while True:
                code, out = await asked(scene, "--json")
                said = json.loads(out)
                marks = {line["name"]: line["mark"] for line in said["lines"]}
                assert said["healthy"] is (code == 0)
                if holds(marks):
                    return code, marks
    except TimeoutError:
        raise AssertionError(f"it stays so: {marks}") from None


def ill(name: str) -> Callable[[dict[str, str]], bool]:
    return lambda marks: marks.get(name) == "ill"


def all_well(marks: dict[str, str]) -> bool:
    return "ill" not in marks.values() and {"slack", "discord", "database", "model"} <= marks.keys()


async def test_a_worker_that_is_well_is_called_so(scene: Stage) -> None:
    async with scene.worker():
        code, _ = await until(scene, all_well)
        assert code == 0
        code, out = await asked(scene)
    for name in ("worker", "slack", "discord", "loop", "database", "queue", "model"):
        assert any(line.split()[1] == name for line in out.splitlines() if line[0] in "✓!✗"), out
    assert "xoxb" not in out and "sk-" not in out


async def test_without_a_worker_there_is_no_health(scene: Stage) -> None:
    code, out = await asked(scene)
    assert code == 1
    assert "✗ worker" in out and "parley run" in out


@pytest.mark.timeout(120)
async def test_a_worker_that_hangs_is_not_well_until_it_goes_on_and_a_killed_one_never_again(scene: Stage) -> None:
    async with scene.process() as worker:
        await until(scene, all_well)
        worker.process.send_signal(signal.SIGSTOP)
        code, _ = await until(scene, ill("worker"))
        assert code == 1
        worker.process.send_signal(signal.SIGCONT)
        code, _ = await until(scene, all_well)
        assert code == 0
        await worker.kill()
        code, _ = await until(scene, ill("worker"))
        assert code == 1


@pytest.mark.timeout(120)
async def test_a_stopped_worker_is_shown_draining_and_then_stopped(scene: Stage) -> None:
    slack = scene.slack
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    answering = asyncio.Event()

    async def slowly(_: Any) -> Reply:
        await answering.wait()
        return Reply("done")

    scene.openai.responder = slowly
    async with scene.process() as worker:
        question = await slack.say(ada, general, "go", mention=True)
        await scene.openai.wait_for(lambda: scene.openai.calls)
        await until(scene, all_well)
        worker.process.send_signal(signal.SIGTERM)
        code, _ = await until(scene, lambda marks: marks.get("worker") == "poorly")
        assert code == 0
        answering.set()
        async with asyncio.timeout(60):
            assert await worker.process.wait() == 0
        assert slack.bot_messages(general, question.ts)
        code, out = await asked(scene)
    assert code == 1
    assert "✗ worker" in out and "stopped" in out


@pytest.mark.timeout(120)
async def test_a_locked_database_is_told_and_its_release_too(scene: Stage) -> None:
    async with scene.worker():
        await until(scene, all_well)
        async with locked(scene.folder / "parley.db"):
            code, _ = await until(scene, ill("database"))
            assert code == 1
            async with asyncio.timeout(60):
                while "database is locked" not in (await asked(scene))[1]:
                    pass
        code, _ = await until(scene, all_well)
        assert code == 0


@asynccontextmanager
async def locked(path: Path) -> AsyncIterator[None]:
    """Another process holds the database's write lock."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LOCKER, str(path), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"locked\n"
    try:
        yield
    finally:
        await process.communicate(b"")


@pytest.mark.timeout(120)
async def test_a_revoked_key_is_told_after_a_question_until_one_is_answered(scene: Stage) -> None:
    slack, openai = scene.slack, scene.openai
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    key = scene.environment["OPENAI_API_KEY"]
    async with scene.worker():
        await until(scene, all_well)
        openai.revoke(key)
        question = await slack.say(ada, general, "anybody?", mention=True)
        await slack.wait_for(lambda: slack.bot_messages(general, question.ts))
        code, _ = await until(scene, ill("model"))
        assert code == 1
        _, out = await asked(scene)
        assert "the key is refused" in out
        calls = len(openai.calls)
        openai.accept_key(key)
        question = await slack.say(ada, general, "and now?", mention=True)
        await slack.wait_for(lambda: slack.bot_messages(general, question.ts))
        code, _ = await until(scene, all_well)
        assert code == 0
        assert len(openai.calls) == calls + 1, "health asks the model nothing"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("platform", ["slack", "discord"])
async def test_a_silent_socket_is_not_well_until_it_is_replaced(
    scene: Stage, platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = SlackWaits(ping=0.3, mute=1000)
    monkeypatch.setattr(adapters.slack.adapter, "Timing", lambda: quick)
    monkeypatch.setattr(adapters.discord.adapter, "Timing", lambda: replace(DiscordWaits(), silence=1.5))
    scene.discord.timing = replace(scene.discord.timing, heartbeat_interval=0.3)
    async with scene.worker():
        await until(scene, all_well)
        if platform == "slack":
            scene.slack.go_silent()
            scene.slack.accept_connections(False)
        else:
            scene.discord.go_silent()
            scene.discord.refuse_gateway(seconds=600)
        code, _ = await until(scene, ill(platform))
        assert code == 1
        scene.slack.accept_connections(True)
        scene.discord.refuse_gateway()
        code, _ = await until(scene, all_well)
        assert code == 0
        _, out = await asked(scene)
        [line] = [line for line in out.splitlines() if line.startswith(f"✓ {platform}")]
        assert "1 silent" in line


async def test_a_health_file_that_cannot_be_written_is_told_once_and_harms_nobody(scene: Stage) -> None:
    slack = scene.slack
    ada, general = slack.add_user("ada"), slack.add_channel("general")
    scene.extra["PARLEY_HEALTH_FILE"] = "/proc/nowhere/health.json"
    with capture_logs() as logs:
        async with scene.worker():
            question = await slack.say(ada, general, "hello", mention=True)
            await slack.wait_for(lambda: slack.bot_messages(general, question.ts))
            assert (await asked(scene))[0] == 1
            await asyncio.sleep(0.5)
    assert [entry["event"] for entry in logs].count("health_file_not_written") == 1
