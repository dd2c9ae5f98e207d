"""The keys that the host keeps for the model: its own, and the named ones that a team may choose by their names.

Each ring of keys comes from a variable (`OPENAI_API_KEY`, `OPENAI_API_KEY_RESEARCH`) or, where there is none, from a
file of the secrets' folder with the same name in lower case. Reading alone is done here; `key_files` watches the files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from bot.well_formed import wrong_with_secret

VARIABLE = "OPENAI_API_KEY"
NAMED = re.compile(rf"{VARIABLE}_([A-Z0-9][A-Z0-9_]{{0,63}})")
# A file of keys is small; what is larger is something else.
MOST_BYTES = 65_536


class KeysUnusable(ValueError):
    """What was given is no list of keys: why, as the end of a sentence about it, without a piece of it."""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The file that a ring of keys comes from, "" being the host's own ring."""

    ring: str
    path: Path


def variable_of(ring: str) -> str:
    """The variable that a ring's keys are called by: `OPENAI_API_KEY_RESEARCH` for `research`."""
    return f"{VARIABLE}_{ring.upper()}" if ring else VARIABLE


def ring_named(variable: str) -> str | None:
    """The ring that a variable or a file names: `research`, "" for the host's own, None where it is none of these."""
    name = variable.upper()
    found = NAMED.fullmatch(name)
    return found[1].lower() if found else "" if name == VARIABLE else None


def split_keys(text: str) -> tuple[SecretStr, ...]:
    """Keys separated by commas. Raises `KeysUnusable` where there are none, or one of them can't be a key."""
    keys = [part.strip() for part in text.split(",") if part.strip()]
    if not keys:
        raise KeysUnusable("is empty")
    for number, key in enumerate(keys, start=1):
        if wrong := wrong_with_secret(key):
            raise KeysUnusable(f"can't be used: {f'in key {number} of {len(keys)} ' if len(keys) > 1 else ''}{wrong}")
    return tuple(SecretStr(key) for key in keys)


@dataclass(frozen=True, slots=True)
class HostKeys:
    """The named rings of keys that can be used, and what is wrong with the others, by their names.

    `in_variables` are the rings whose keys come from variables: files of the same names do not count.
    """

    named: Mapping[str, tuple[SecretStr, ...]]
    wrong: Mapping[str, str]
    in_variables: frozenset[str]


def gather(in_dotenv: Mapping[str, str], folder: str | None) -> HostKeys:
    """The named rings of the environment, then of `.env`, then of the files in `folder`."""
    named: dict[str, tuple[SecretStr, ...]] = {}
    wrong: dict[str, str] = {}
    variables = in_variables(in_dotenv) | in_variables(os.environ)
    for ring, text in variables.items():
        try:
            named[ring] = split_keys(text)
        except KeysUnusable as unusable:
            wrong[ring] = str(unusable)
    try:
        files = files_in(Path(folder)) if folder else []
    except OSError:
        files = []  # said by `settings`, as its other files can't be read either
    for file in files:
        if file.ring and file.ring not in variables:
            try:
                named[file.ring] = read_file(file.path)
            except (KeysUnusable, OSError) as unusable:
                wrong[file.ring] = f"(the file {file.path.name}) {unusable}"
    return HostKeys(named, wrong, frozenset(variables))


def in_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """The text of each named ring that a mapping of variables gives."""
    rings = {ring_named(name): value for name, value in variables.items() if value}
    return {ring: value for ring, value in rings.items() if ring}


def files_in(folder: Path) -> list[KeyFile]:
    """The files of a folder that are called like a ring of keys. Raises OSError."""
    found = [(ring_named(path.name), path) for path in sorted(folder.iterdir()) if path.is_file()]
    return [KeyFile(ring, path) for ring, path in found if ring is not None]


def read_file(path: Path) -> tuple[SecretStr, ...]:
    """The keys in a file. Raises `KeysUnusable`, and OSError where it is not there."""
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise KeysUnusable(f"can't be read: {error.strerror}") from None
    if len(raw) > MOST_BYTES:
        raise KeysUnusable("is far too long")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise KeysUnusable("is not UTF-8 text") from None
    return split_keys(text)


def own_file(folder: Path, keys: tuple[SecretStr, ...]) -> bool:
    """Whether the host's own keys are those of the file in `folder`, and not a variable's that goes before it."""
    if any(name.upper() == VARIABLE and value for name, value in os.environ.items()):
        return False
    try:
        return any(not file.ring and read_file(file.path) == keys for file in files_in(folder))
    except (KeysUnusable, OSError):
        return False
