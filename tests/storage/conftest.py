"""A store in a file of its own for each test, copied from one that was migrated once."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from storage import Store


async def _make(path: Path) -> None:
    store = await Store.open(f"sqlite:///{path}")
    await store.close()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database that is up to date."""
    path = tmp_path_factory.mktemp("storage") / "migrated.db"
    asyncio.run(_make(path))
    return path


@pytest.fixture
def path(migrated: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return Path(shutil.copy(migrated, tmp_path / "parley.db"))


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    """That copy, open."""
    opened = await Store.open(f"sqlite:///{path}")
    yield opened
    await opened.close()


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user can reach: pytest's own are for one alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)
