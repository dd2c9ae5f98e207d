"""The demo as a process: what it is started with, what it printed, and what it must not leave behind."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "bot", "demo")
SECONDS = 170
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_LEADS_ELSEWHERE = ("OPENAI_", "SLACK_", "DISCORD_", "PARLEY_", "DATABASE_URL")


def environment(folder: Path, **extra: str) -> dict[str, str]:
    """A plain environment whose temporary files land in `folder`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_LEADS_ELSEWHERE)}
    return kept | {"TMPDIR": str(folder), "COLUMNS": "100", "LINES": "50"} | extra


def left_behind(folder: Path, pids: Sequence[int]) -> list[str]:
    """Folders of the demo and processes of the bot that are still there."""
    folders = [path.name for path in folder.iterdir() if path.name.startswith("parley-demo-")]
    return folders + [f"process {pid}" for pid in pids if psutil.pid_exists(pid)]


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def plain(output: str) -> str:
    """What was printed, without colours and cursor movements."""
    return _CONTROL.sub("", output)
