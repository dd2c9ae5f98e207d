"""Stored history → what the model reads, within the token budget. Pure: no query and no call in here.

Consecutive requests of a conversation share an exact prefix, which the provider bills at a discount. So the system
message names neither the people, who stand before what they say, nor a day but the conversation's first: where another
begins, a line says so. The window onto the history moves in large steps, and what it left behind is told in a summary.

All further lines of a person's message are indented, so that nobody can write as if another had spoken, or as if it
were another day. What is not indented is said here, or stands in a file's fence, which the file can't close.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from bot.backend.completion import ModelMessage, Picture
from bot.files.shown import below
from bot.messages import Address, Place
from storage.records import StoredMessage, Summary

# OpenAI counts three tokens of framing per message, and three before the answer.
FRAMING = 3
# After a trim the history fills half of its budget: the window then stays put for the other half.
KEPT_SHARE = 0.5
CUT_NOTE = "\n[… the rest of this message was too long and is cut …]"
# Of what a summary and the conversation share, this much is the conversation's.
CONVERSATIONS_SHARE = 0.5
SUMMARY_BEGINS = "[A summary of what was said here before:]"
NOBODY = "Someone"
INDENT = "  "
_EPOCH = date(1970, 1, 1).toordinal()
_DAY = 86_400 * 1_000_000
PLATFORM_NAMES = {"slack": "Slack", "discord": "Discord"}


@dataclass(frozen=True, slots=True)
class Prompt:
    """What to ask. `start` is the position at which the history now begins, None where it did not move.

    `taken`: how many tokens of the budget history and summary take.
    """

    messages: tuple[ModelMessage, ...]
    start: int | None
    taken: int = 0


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a conversation takes place, the day it began, and the language it is answered in.

    None is the language of the question.
    """

    address: Address
    place: Place
    bot_name: str
    direct: bool
    began: date
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """How much the history may take: `tokens` without the system message, counted by `count`, cut by `truncate`."""

    tokens: int
    count: Callable[[str], int]
    truncate: Callable[[str, int], str]


@dataclass(frozen=True, slots=True)
class Memory:
    """What is kept of a conversation beside its messages: where the model's window begins, and its summaries.

    Each summary tells what was said before a position; the oldest comes first. One that tells more than the window has
    left behind was made ahead of need.
    """

    start: int = 0
    summaries: Sequence[Summary] = ()

    def before(self, position: int) -> Summary | None:
        """The latest summary that tells of nothing at a position or after it."""
        return next((each for each in reversed(self.summaries) if each.until <= position), None)

    @property
    def ahead(self) -> Summary | None:
        """The latest of those that were made ahead of need."""
        latest = self.summaries[-1] if self.summaries else None
        return latest if latest is not None and latest.until > self.start else None


NO_MEMORY = Memory()


def system_message(instructions: str, scene: Scene) -> str:
    """The channel's instructions, then where this is. Nothing of it changes while people talk."""
    place = scene.place
    platform = PLATFORM_NAMES.get(scene.address.platform, scene.address.platform)
    where = "a direct message" if scene.direct else f"the channel #{place.channel_name}" if place.channel_name else ""
    workspace = f" of {place.workspace_name}" if place.workspace_name else ""
    topic = f" Its topic: {_one_line(place.topic)}" if place.topic else ""
    lines = [
        instructions,
        "",
        f"Your name here is {scene.bot_name}. This is {where or 'a channel'}{workspace} on {platform}.{topic}",
        "Each message of a person begins with their name and a colon; its further lines, indented, are theirs too. "
        "Begin yours without a name. To address somebody, write @ and their name.",
        *([f"Answer in this language, whatever you are asked in: {scene.language}."] if scene.language else []),
        f"Today is {day_in_words(scene.began)}, or the latest day that an unindented line in brackets names below.",
    ]
    return "\n".join(lines)


def day_of(moment: int) -> date:
    """The day (UTC) of a moment in microseconds since the epoch."""
    return datetime.fromtimestamp(moment / 1_000_000, UTC).date()


def _end_of(day: date) -> int:
    """The moment at which a day (UTC) is over, in microseconds since the epoch."""
    return (day.toordinal() - _EPOCH + 1) * _DAY


def day_in_words(day: date) -> str:
    """Such as Monday, 23 November 2026."""
    return f"{day:%A}, {day.day} {day:%B %Y}"


def names(history: Sequence[StoredMessage]) -> dict[tuple[str, str], str]:
    """What each author of a conversation is called, as `_who` tells them apart: by the name of their newest message,
    since Discord's history does not know the one that a server has for them, and of two with one name the second is
    `Ada (2)`. Those who take part are named before those who were only overheard."""
    newest: dict[tuple[str, str], str] = {}
    taking_part: dict[tuple[str, str], None] = {}
    overheard: dict[tuple[str, str], None] = {}
    for message in history:
        who = _who(message)
        if message.author_name:
            newest[who] = message.author_name
        if message.role == "user":
            taking_part[who] = None
        elif message.role == "overheard":
            overheard[who] = None
    found: dict[tuple[str, str], str] = {}
    taken: set[str] = set()
    for who in taking_part | overheard:
        if who not in newest:
            continue
        name = called = _one_line(newest[who])
        number = 1
        while called in taken:
            number += 1
            called = f"{name} ({number})"
        taken.add(called)
        found[who] = called
    return found


def speakers(history: Sequence[StoredMessage]) -> dict[str, str]:
    """Name → user id of the people who take part in a conversation, in order of appearance.

    Then the other names that they had in it: what was said may mention them by those.
    """
    called = names(history)
    wordings = dict.fromkeys((_who(each), each.author_id, each.author_name) for each in history if each.role == "user")
    there = [each for each in wordings if each[0] in called]
    found = {called[who]: author_id for who, author_id, _ in there}
    for _, author_id, name in there:
        if name:
            found.setdefault(_one_line(name), author_id)
    return found


def _who(message: StoredMessage) -> tuple[str, str]:
    """A person is one whatever they are called; behind one id of a program's posts may stand many, as over a bridge."""
    return message.author_id, message.author_name if message.is_bot else ""


def _one_line(name: str) -> str:
    return " ".join(name.split())


def build(
    system: str,
    history: Sequence[StoredMessage],
    budget: Budget,
    pictures: Mapping[int, Sequence[Picture | str]] | None = None,
    *,
    began: date | None = None,
    memory: Memory = NO_MEMORY,
) -> Prompt:
    """The messages for the model: the system message and as much of the history as the budget takes, newest kept.

    What was left behind is told by a summary, where there is one: the window then moves to where that one ends, if it
    was made ahead. The newest message always fits: where it alone is too long it is cut, with a note that says so.
    `pictures`, by the messages' ids, go with what was said; a text among them says of one why it can't be shown.
    `began`: the day that the system message names.
    """
    shown = (pictures or {}).items()
    images = {of: tuple(p for p in each if isinstance(p, Picture)) for of, each in shown}
    notes = {of: "".join(f"\n{p}" for p in each if isinstance(p, str)) for of, each in shown}
    weights = {of: sum(picture.tokens for picture in each) for of, each in images.items()}
    framed = [FRAMING + weights.get(message.id, 0) for message in history]
    room = max(budget.tokens - FRAMING, 1)
    lines = _with_notes(history, began, notes)
    sizes = _sizes(lines, framed, budget, room)
    first, start = 0, None
    told = _told(memory.before(memory.start), budget, room)
    if sum(sizes) + _size(told, budget) > room:
        first, told = _window(history, sizes, memory, budget, room)
        left = room - _size(told, budget)
        while True:
            # As it will read from now on: the day that a line before it named has to be named anew.
            lines[first:] = _with_notes(history[first:], began, notes)
            sizes[first] = budget.count(lines[first]) + framed[first]
            if first == len(history) - 1 or sum(sizes[first:]) <= left:
                break
            first = _next_question(history, first)
        start = history[first].position
        if sizes[first] > left:
            lines[first] = _cut(lines[first], left - FRAMING, budget)
    turns = [
        ModelMessage("assistant" if message.role == "assistant" else "user", line, images.get(message.id, ()))
        for message, line in zip(history[first:], lines[first:], strict=True)
    ]
    before = [ModelMessage("user", told)] if told else []
    taken = min(sum(sizes[first:]) + _size(told, budget), room)
    return Prompt((ModelMessage("system", system), *before, *turns), start, taken)


def in_lines(history: Sequence[StoredMessage], began: date | None = None) -> list[str]:
    """Each message as the model reads it: who says it, what, and before the first of a later day than any, that day.

    No line of it begins with what a person wrote, save within the fence of a file.
    """
    called, written = names(history), []
    # A thread has hundreds of messages and few days: only a moment past the latest one is looked up in the calendar.
    over = _end_of(began) if began is not None else None
    for message in history:
        line = _line(message, called)
        if over is not None and message.sent_at >= over and message.role != "assistant":
            day = day_of(message.sent_at)
            line, over = f"[{day_in_words(day)}]\n{line}", _end_of(day)
        written.append(line)
    return written


def _with_notes(history: Sequence[StoredMessage], began: date | None, notes: Mapping[int, str]) -> list[str]:
    """The lines of `in_lines`, each with what is noted of its message below it."""
    return [line + notes.get(message.id, "") for message, line in zip(history, in_lines(history, began), strict=True)]


def indented(text: str) -> str:
    """A text whose further lines can't be taken for what begins a line, blocks of code as they stood to each other."""
    if text.isprintable():
        return text  # nothing in it ends a line
    first, *further = text.splitlines() or [""]
    return "\n".join([first, *(f"{INDENT}{line}" if line.strip() else "" for line in further)])


def first_kept(history: Sequence[StoredMessage], sizes: Sequence[int], room: int) -> int:
    """Where a window of at most `room` tokens onto the newest messages begins; the newest is always in it."""
    first, taken = len(sizes) - 1, sizes[-1]
    while first > 0 and taken + sizes[first - 1] <= room:
        first -= 1
        taken += sizes[first]
    # An answer stands at its question's position: a window that began with it would hold the question too.
    return _next_question(history, first) if history[first].role == "assistant" else first


def _sizes(lines: Sequence[str], framed: Sequence[int], budget: Budget, room: int) -> list[int]:
    """How many tokens each message takes, `framed` of them besides its line.

    Of those that stand before more than the room, no window holds any: they are not counted, and said to take more than
    it. A thread may have thousands.
    """
    sizes, taken = [room + 1] * len(lines), 0
    for index in reversed(range(len(lines))):
        if taken > room:
            break
        sizes[index] = budget.count(lines[index]) + framed[index]
        taken += sizes[index]
    return sizes


def _window(
    history: Sequence[StoredMessage], sizes: Sequence[int], memory: Memory, budget: Budget, room: int
) -> tuple[int, str]:
    """Where the history shall begin from now on, and what is told of all before."""
    if memory.ahead is not None:
        told, until = _told(memory.ahead, budget, room), memory.ahead.until
        first = next((index for index, message in enumerate(history) if message.position >= until), len(history) - 1)
        if sum(sizes[first:]) + _size(told, budget) <= room:
            return first, told
    first = first_kept(history, sizes, int(room * KEPT_SHARE))
    told = _told(memory.before(history[first].position), budget, room)
    if told and sum(sizes[first:]) + _size(told, budget) > room:
        first = first_kept(history, sizes, room - _size(told, budget))
    return first, told


def _told(summary: Summary | None, budget: Budget, room: int) -> str:
    """A summary as the model reads it, at most its share of the room long; empty where there is none."""
    if summary is None:
        return ""
    told, most = f"{SUMMARY_BEGINS}\n{summary.text}", int(room * (1 - CONVERSATIONS_SHARE)) - FRAMING
    return told if budget.count(told) <= most else budget.truncate(told, max(most, 1))


def _size(told: str, budget: Budget) -> int:
    return budget.count(told) + FRAMING if told else 0


def _next_question(history: Sequence[StoredMessage], first: int) -> int:
    """The next place where a window may begin."""
    first += 1
    while first < len(history) - 1 and history[first].role == "assistant":
        first += 1
    return first


def _cut(line: str, tokens: int, budget: Budget) -> str:
    return budget.truncate(line, max(tokens - budget.count(CUT_NOTE) - 1, 1)) + CUT_NOTE


def _line(message: StoredMessage, called: Mapping[tuple[str, str], str]) -> str:
    files = below(message)
    if message.role == "assistant":
        return message.text + files
    name = called.get(_who(message), NOBODY)
    if message.role == "overheard":
        return indented(f"{name} (in the channel, before): {message.text}") + files
    if not message.text and not files:
        return f"{name} mentioned you and wrote nothing else."
    return indented(f"{name}: {message.text}") + files
