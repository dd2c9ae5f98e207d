"""Stored history → what the model reads, within the token budget. Pure: no query and no call in here.

Consecutive requests of a conversation share an exact prefix, which the provider bills at a discount: the system
message changes only with the day and the people, and the window onto the history moves in large steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from bot.backend.completion import ModelMessage, Picture
from bot.files.shown import below
from bot.messages import Address, Place
from storage.records import StoredMessage

# OpenAI counts three tokens of framing per message, and three before the answer.
FRAMING = 3
# After a trim the history fills half of its budget: the window then stays put for the other half.
KEPT_SHARE = 0.5
CUT_NOTE = "\n[… the rest of this message was too long and is cut …]"
PLATFORM_NAMES = {"slack": "Slack", "discord": "Discord"}


@dataclass(frozen=True, slots=True)
class Prompt:
    """What to ask. `start` is the position at which the history now begins, None where it did not move."""

    messages: tuple[ModelMessage, ...]
    start: int | None


@dataclass(frozen=True, slots=True)
class Scene:
    """Where and when a conversation takes place, and the language it is answered in; None is that of the question."""

    address: Address
    place: Place
    bot_name: str
    direct: bool
    today: date
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """How much the history may take: `tokens` without the system message, counted by `count`, cut by `truncate`."""

    tokens: int
    count: Callable[[str], int]
    truncate: Callable[[str, int], str]


def system_message(instructions: str, scene: Scene, people: Sequence[str]) -> str:
    """The channel's instructions, then where this is and who takes part: what changes least comes first."""
    place = scene.place
    platform = PLATFORM_NAMES.get(scene.address.platform, scene.address.platform)
    where = "a direct message" if scene.direct else f"the channel #{place.channel_name}" if place.channel_name else ""
    workspace = f" of {place.workspace_name}" if place.workspace_name else ""
    topic = f" Its topic: {place.topic}" if place.topic else ""
    lines = [
        instructions,
        "",
        f"Your name here is {scene.bot_name}. This is {where or 'a channel'}{workspace} on {platform}.{topic}",
        "Each message of a person begins with their name and a colon; begin yours without one. "
        "To address somebody, write @ and their name.",
        *([f"Answer in this language, whatever you are asked in: {scene.language}."] if scene.language else []),
        f"Today is {scene.today:%A}, {scene.today.day} {scene.today:%B %Y}.",
    ]
    if people:
        lines.append(f"Taking part: {', '.join(people)}.")
    return "\n".join(lines)


def speakers(history: Sequence[StoredMessage]) -> dict[str, str]:
    """Display name → user id of the people in a conversation, in order of appearance."""
    found: dict[str, str] = {}
    for message in history:
        if message.role == "user" and message.author_name:
            found.setdefault(message.author_name, message.author_id)
    return found


def build(
    system: str,
    history: Sequence[StoredMessage],
    budget: Budget,
    pictures: Mapping[int, Sequence[Picture | str]] | None = None,
) -> Prompt:
    """The messages for the model: the system message and as much of the history as the budget takes, newest kept.

    The newest message always fits: where it alone is too long it is cut, with a note that says so. `pictures`, by the
    messages' ids, go with what was said; a text among them says of one why it can't be shown.
    """
    shown = pictures or {}
    images = [tuple(p for p in shown.get(message.id, ()) if isinstance(p, Picture)) for message in history]
    notes = ["".join(f"\n{p}" for p in shown.get(message.id, ()) if isinstance(p, str)) for message in history]
    lines = [_line(message) + note for message, note in zip(history, notes, strict=True)]
    sizes = [
        budget.count(line) + FRAMING + sum(picture.tokens for picture in each)
        for line, each in zip(lines, images, strict=True)
    ]
    room = max(budget.tokens - FRAMING, 1)
    first, start = 0, None
    if sum(sizes) > room:
        first = _first_kept(history, sizes, int(room * KEPT_SHARE))
        start = history[first].position
        if sizes[first] > room:
            lines[first] = _cut(lines[first], room - FRAMING, budget)
    turns = [
        ModelMessage("assistant" if message.role == "assistant" else "user", line, each)
        for message, line, each in zip(history[first:], lines[first:], images[first:], strict=True)
    ]
    return Prompt((ModelMessage("system", system), *turns), start)


def _first_kept(history: Sequence[StoredMessage], sizes: Sequence[int], room: int) -> int:
    first, taken = len(sizes) - 1, sizes[-1]
    while first > 0 and taken + sizes[first - 1] <= room:
        first -= 1
        taken += sizes[first]
    # An answer stands at its question's position: a window that began with it would hold the question too.
    while first < len(history) - 1 and history[first].role == "assistant":
        first += 1
    return first


def _cut(line: str, tokens: int, budget: Budget) -> str:
    return budget.truncate(line, max(tokens - budget.count(CUT_NOTE) - 1, 1)) + CUT_NOTE


def _line(message: StoredMessage) -> str:
    files = below(message)
    if message.role == "assistant":
        return message.text + files
    name = message.author_name or "Someone"
    if not message.text and not files:
        return f"{name} mentioned you and wrote nothing else."
    return f"{name}: {message.text}{files}"
