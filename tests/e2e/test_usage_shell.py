"""`parley usage` beside a running worker: whole numbers, exact, in a table and as CSV."""

from __future__ import annotations

import asyncio
import csv
import os
import sys
from pathlib import Path

from tests.e2e.stage import ROOT, Stage
from tests.e2e.talk import Talk, idle


async def parley(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Run the command line as an operator does; its exit code and what it says."""
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{folder / 'parley.db'}", "COLUMNS": "200"}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "usage", *arguments, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_the_command_line_tells_what_the_model_counted_beside_a_running_worker(on_stage: Stage) -> None:
    talk = Talk(on_stage, "slack")
    async with on_stage.worker() as worker:
        await talk.ask("one")
        await talk.slack.wait_for(talk.answers)
        await idle(worker)
        [call] = on_stage.openai.calls
        assert call.usage is not None
        code, out, _ = await parley(on_stage.folder, "--period", "day", "--by", "user", "--csv")
        assert code == 0
        [row] = csv.DictReader(out.splitlines())
        used = await worker.store.usage.of_user("slack", talk.slack.team_id, talk.ada.id, 0)
        assert row == {
            "platform": "slack",
            "workspace": talk.slack.team_id,
            "user": talk.ada.id,
            "requests": "1",
            "prompt_tokens": str(call.usage.prompt),
            "cached_tokens": str(call.usage.cached),
            "completion_tokens": str(call.usage.completion),
            "cost_micros": str(used.cost_micros),
            "unpriced": "0",
        }
        code, out, _ = await parley(on_stage.folder, "--by", "model")
        assert code == 0
        assert "gpt-5.4-mini" in out and f"{call.usage.prompt:,}" in out


async def test_without_a_database_it_says_so_and_without_usage_too(on_stage: Stage) -> None:
    code, out, err = await parley(on_stage.folder)
    assert (code, out) == (2, "")
    assert "there is no database" in err
    async with on_stage.worker():
        pass
    code, out, err = await parley(on_stage.folder, "--csv")
    assert code == 0
    assert out.startswith("platform,workspace,requests,")
    assert "Nothing was asked" in err
