"""The demo without a terminal, as a process: it shows every act, says what held, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import re
import signal
from pathlib import Path

import pytest

from emulators.openai import OpenAIService
from tests.demo.support import COMMAND, ROOT, SECONDS, children, environment, leaked, left_behind, log_of

ACTS = (
    "a mention, answered in its thread",
    "the name alone is enough",
    "along a chain of replies",
    "delivers the same question again",
    "the model has no time",
    "killed in the middle of an answer",
)


async def _played(folder: Path, **extra: str) -> tuple[int, str]:
    """Exit code and output of a whole show."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        cwd=ROOT,
        env=environment(folder, **extra),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(SECONDS):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, output.decode()


async def test_every_act_is_shown_and_holds_and_nothing_stays_behind(tmp_path: Path) -> None:
    # What the shell has set for the real bot must not reach the demo's.
    async with log_of(tmp_path) as log:
        code, output = await _played(
            tmp_path, SLACK_BOT_TOKEN="xoxb-real", DATABASE_URL="postgres://elsewhere", PARLEY_HISTORY_TOKENS="broken"
        )
        written = log()
    assert code == 0, output
    assert "turn_ended" in written
    assert leaked(written, output) == []
    assert [act for act in ACTS if act not in output] == []
    assert "All of it held." in output
    assert "8 answers, 0 doubled, 0 lost" in output
    assert "0 refused, 0 off protocol" in output
    assert "1 refused and waited out" in output
    assert "✗" not in output and "\x1b" not in output
    pids = [int(pid) for pid in re.findall(r"(?:kill -9|as process) (\d+)", output)]
    assert len(pids) == 2
    assert left_behind(tmp_path, pids) == []


async def test_with_a_key_the_bot_asks_the_model_that_the_environment_names(tmp_path: Path) -> None:
    async with OpenAIService(keys=["sk-my-own"]) as model:
        code, output = await _played(
            tmp_path, OPENAI_API_KEY="sk-my-own", OPENAI_BASE_URL=model.url, OPENAI_MODEL="gpt-4o-mini"
        )
    assert code == 0, output
    assert f"gpt-4o-mini at {model.url}" in output
    assert {call.model for call in model.calls} == {"gpt-4o-mini"}
    assert all(call.status == 200 for call in model.calls)
    assert "Skipped: a real model can't be told to refuse" in output
    assert "7 answers, 0 doubled, 0 lost" in output
    assert left_behind(tmp_path, []) == []


async def test_a_bot_that_does_not_start_shows_its_last_words(tmp_path: Path) -> None:
    code, output = await _played(tmp_path, OPENAI_API_KEY="sk-any", OPENAI_TEMPERATURE="hot")
    assert code == 1
    assert "The bot ended with exit code 2." in output
    assert "OPENAI_TEMPERATURE" in output
    assert "Traceback" not in output
    assert left_behind(tmp_path, []) == []


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_in_the_middle_ends_it_in_order(tmp_path: Path, asked: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        cwd=ROOT,
        env=environment(tmp_path) | {"PYTHONUNBUFFERED": "1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(SECONDS):
            await process.stdout.readuntil(b"Ada ")
            pids = children(process.pid)
            assert len(pids) == 1
            process.send_signal(asked)
            rest = (await process.stdout.read()).decode()
            code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert code == 128 + asked
    assert "Stopped." in rest
    assert "Traceback" not in rest
    assert left_behind(tmp_path, pids) == []
