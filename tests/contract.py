"""Every request against what the platforms publish, where the published documents stand beside the project."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import pytest

from emulators.recording import RecordedRequest

FOLDER = Path(__file__).resolve().parents[1].parent / "shared" / "contract"


def _load() -> ModuleType | None:
    spec = importlib.util.spec_from_file_location("contract", FOLDER / "contract.py")
    if not (FOLDER / "contract.py").is_file() or spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CONTRACT = _load()
needs_contract = pytest.mark.skipif(CONTRACT is None, reason="the platforms' documents are not beside the project")


def off_contract(requests: Iterable[RecordedRequest]) -> list[str]:
    """Problems of the requests to Slack, Discord and OpenAI; none where the documents are not there."""
    if CONTRACT is None:
        return []
    return [
        f"{r.method} {r.path}: {problem}"
        for r in requests
        if r.service in ("slack", "discord", "openai")
        for problem in CONTRACT.check(r.service, r.method, r.path, r.query, dict(r.headers), r.body)
    ]
