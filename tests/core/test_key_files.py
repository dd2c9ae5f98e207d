"""Files of keys: what is in them, and that a change is taken up however it is made."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from bot import environment, host_keys
from bot.alerts import Alerts
from bot.key_files import GONE_AFTER, SETTLED_AFTER, KeyFiles
from storage import Store


class Watch:
    """A folder, what watches it, and what was taken up."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder = folder
        self.taken: list[tuple[str, list[str]]] = []
        self.alerts = Alerts(store.marks, (), {})
        self.files = KeyFiles(folder, {"fixed"}, self._replace, self.alerts)

    async def _replace(self, ring: str, keys: Sequence[SecretStr]) -> None:
        self.taken.append((ring, [key.get_secret_value() for key in keys]))

    async def look(self, times: int = SETTLED_AFTER) -> list[tuple[str, list[str]]]:
        """Look so often; what was taken up by it."""
        before = len(self.taken)
        for _ in range(times):
            await self.files.look()
        return self.taken[before:]


@pytest.fixture
async def watch(tmp_path: Path) -> AsyncIterator[Watch]:
    store = await Store.open(f"sqlite:///{tmp_path / 'p.db'}")
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "openai_api_key").write_text("sk-one")
    (folder / "openai_api_key_research").write_text("sk-team\n")
    watch = Watch(folder, store)
    watch.files.begin_with({"": (SecretStr("sk-one"),), "research": (SecretStr("sk-team"),)})
    yield watch
    await store.close()


async def test_what_is_in_use_already_is_not_taken_up_again(watch: Watch) -> None:
    assert await watch.look(GONE_AFTER) == []


async def test_a_file_that_an_editor_renames_into_its_place_is_taken_up(watch: Watch) -> None:
    new = watch.folder / ".openai_api_key.tmp"
    new.write_text("sk-two, sk-three\n")
    new.rename(watch.folder / "openai_api_key")
    assert await watch.look() == [("", ["sk-two", "sk-three"])]


async def test_a_file_that_is_just_being_written_is_waited_for(watch: Watch) -> None:
    file = watch.folder / "openai_api_key"
    file.write_text("sk-tw")
    assert await watch.look(1) == []
    file.write_text("sk-two")
    assert await watch.look(1) == []
    assert await watch.look(1) == [("", ["sk-two"])]


async def test_links_that_a_cluster_swaps_are_followed(tmp_path: Path, watch: Watch) -> None:
    for version in ("one", "two"):
        (watch.folder / f"..{version}").mkdir()
        (watch.folder / f"..{version}" / "openai_api_key").write_text(f"sk-{version}")
    (watch.folder / "..data").symlink_to("..one")
    (watch.folder / "openai_api_key").unlink()
    (watch.folder / "openai_api_key").symlink_to("..data/openai_api_key")
    assert await watch.look() == []
    (watch.folder / "..data_tmp").symlink_to("..two")
    (watch.folder / "..data_tmp").rename(watch.folder / "..data")
    assert await watch.look() == [("", ["sk-two"])]


async def test_a_new_file_is_a_new_ring_and_one_that_goes_takes_it_away(watch: Watch) -> None:
    (watch.folder / "openai_api_key_Sales").write_text("sk-sales")
    (watch.folder / "openai_api_key_fixed").write_text("sk-other")
    (watch.folder / "openai_api_key_sales~").write_text("sk-backup")
    assert await watch.look() == [("sales", ["sk-sales"])]
    (watch.folder / "openai_api_key_Sales").unlink()
    assert await watch.look(GONE_AFTER - 1) == []
    assert await watch.look(1) == [("sales", [])]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"sk-o ne", "white space"),
        (b"\xff\xfe", "not UTF-8"),
        ("sk-“quoted”".encode(), "no key has"),
        (b"k" * 70_000, "far too long"),
        (None, "is gone"),
    ],
)
async def test_an_unusable_file_keeps_the_old_keys_and_is_told_once(
    watch: Watch, content: bytes | None, why: str
) -> None:
    file = watch.folder / "openai_api_key"
    with capture_logs() as logs:
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)
        assert await watch.look(3 * GONE_AFTER) == []
    assert [(entry["event"], why in entry["reason"]) for entry in logs] == [("secret_file_unusable", True)]
    assert watch.alerts._queue.qsize() == 1
    file.write_text("sk-new")
    assert await watch.look() == [("", ["sk-new"])]


async def test_a_folder_that_can_not_be_read_keeps_all_keys(watch: Watch) -> None:
    watch.folder.rename(watch.folder.with_name("elsewhere"))
    assert await watch.look(2 * GONE_AFTER) == []
    watch.folder.with_name("elsewhere").rename(watch.folder)
    assert await watch.look(2 * GONE_AFTER) == [("", ["sk-one"]), ("research", ["sk-team"])]


def test_named_keys_come_from_variables_before_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY_RESEARCH", "sk-a,sk-b")
    monkeypatch.setenv("OPENAI_API_KEY_EMPTY", "")
    (tmp_path / "openai_api_key_research").write_text("sk-file")
    (tmp_path / "openai_api_key_sales").write_text("sk-sales\n")
    (tmp_path / "openai_api_key_broken").write_text("a b")
    found = host_keys.gather({"openai_api_key_research": "sk-dotenv", "openai_api_key_design": "sk-d"}, str(tmp_path))
    assert {ring: [key.get_secret_value() for key in keys] for ring, keys in found.named.items()} == {
        "research": ["sk-a", "sk-b"],
        "design": ["sk-d"],
        "sales": ["sk-sales"],
    }
    assert set(found.wrong) == {"broken"}
    assert found.in_variables == {"research", "design"}


def test_a_named_key_that_can_not_be_one_keeps_the_bot_from_starting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY_RESEARCH", "sk-hush hush")
    monkeypatch.setenv("PARLEY_KEY", "sales")
    monkeypatch.setenv("OPENAI_API_KEY_X", "sk-x")
    _, problems = environment.read()
    wrong = {problem.variable: problem.wrong for problem in problems}
    assert "white space" in wrong["OPENAI_API_KEY_RESEARCH"] and "hush" not in wrong["OPENAI_API_KEY_RESEARCH"]
    assert "isn't there" in wrong["PARLEY_KEY"]
    assert not [name for name, _ in environment.unknown_variables() if name.startswith("OPENAI_")]
