"""Which messages are for us: a pure function of the message, the place's mode and who takes part there.

In a thread the bot stays after one mention. Alone with one person it answers whatever they say; in company only what is
addressed to it, or what plainly goes on with it: said by the one whom it answered last, to nobody else, before anybody
else spoke and within two minutes of the answer. What comes later may as well be for the others who read it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from bot.admission import command_of
from bot.messages import IncomingMessage
from storage.records import Spoken, micros_of

Verdict = Literal["answer", "keep", "ignore"]
Mode = Literal["mention", "thread", "all"]

CONTINUES_WITHIN_SECONDS = 120
"""How long after an answer its asker plainly goes on with it, in company."""

_HAILS = r"(?:hey|hi|hello|ok|okay|thanks|thank\s+you|thx)"
_GREETING = rf"(?:(?:{_HAILS}|so)[\s,]+)?@?"
# What follows the name of a person who is addressed; "Bob said" is only about Bob. What begins with the bot's is to it.
_COMMA = r"(?:\s*[,:;!?…–—-]|\s*$)"
_ASKING = frozenset({
    *("am", "are", "is", "was", "were", "do", "does", "did", "have", "has", "can", "could", "may", "might", "must"),
    *("shall", "should", "will", "would", "what", "when", "where", "which", "who", "why", "how", "you", "your"),
    *("please", "pls"),
})  # fmt: skip
_ASKS = rf"\s+(?:{'|'.join(sorted(_ASKING))})(?!\w)"
_END_OF_WORD = r"(?!\w)"
_AFTER_A_SENTENCE = r"[^.!?…\n]*[.!?…]+\s+@?"


@dataclass(frozen=True, slots=True)
class Company:
    """Who else takes part in a conversation, by the names people see, and whether the last word in it was with the one
    who speaks now: the bot's answer to them, or their own question to it."""

    others: tuple[str, ...] = ()
    continues: bool = True


ALONE = Company()


def company(spoken: Sequence[Spoken], author_id: str, at: int) -> Company:
    """Who is there besides somebody who speaks `at` a moment (microseconds since the epoch), judged by what was
    `spoken` lately, the latest first. Programs are no company."""
    people = [each for each in spoken if each.role == "user" and not each.is_bot]
    others = tuple(dict.fromkeys(each.author_name for each in people if each.author_id != author_id))
    if not spoken:
        return Company(others)
    latest = spoken[0]
    questions = [each for each in people if each.turn_id is not None]
    asked_by = {each.author_id for each in questions if each.turn_id == latest.turn_id}
    if latest.role == "assistant" and not asked_by:  # an answer that went on because somebody pressed a button
        asked_by = {each.author_id for each in questions[:1]}
    is_late = latest.role == "assistant" and at - latest.at > micros_of(CONTINUES_WITHIN_SECONDS)
    return Company(others, continues=author_id in asked_by and not is_late)


def gate(
    message: IncomingMessage,
    *,
    known: bool,
    mode: Mode = "thread",
    company: Company = ALONE,
    bot_name: str = "",
) -> Verdict:
    """What a message is to us: to be answered, to be kept as context, or none of our business.

    `known` says that it stands in a conversation the bot takes part in, `mode` what the channel wants answered.
    """
    if message.author.is_bot:
        return "ignore"
    if message.direct or message.mentions_bot:
        return "answer"
    own_names = [name for name in (bot_name, message.own_name) if name]
    wordless = not (message.whole_text or message.attachments)
    if known and not message.mentions_others and command_of(message) is not None:
        return "answer"
    if wordless:
        # It is a sticker, or Discord keeps what it says from an application without that intent.
        return "ignore"
    if mode != "mention" and message.quoted is not None and message.quoted.by_us and not message.mentions_others:
        return "answer"
    if mode == "all":
        return "keep" if _is_to_others(message, company, own_names) else "answer"
    if not known:
        return "ignore"
    # In a channel's chains a reply to a person is to them; only a thread is a place to stay in.
    if mode == "mention" or message.address.thread is None or _is_to_others(message, company, own_names):
        return "keep"
    if not company.others or company.continues or _begins_with(message.text, own_names):
        return "answer"
    return "keep"


def may_concern_us(message: IncomingMessage, mode: Mode) -> bool:
    """False for what is plainly between others: most of a busy channel, which must not cost a query."""
    return mode == "all" or (
        (message.direct or message.mentions_bot or message.address.thread is not None or message.quoted is not None)
        and not _starts_foreign_thread(message)
    )


def _is_to_others(message: IncomingMessage, company: Company, own_names: Sequence[str]) -> bool:
    """Whether it mentions, replies to, or speaks to somebody who is not the bot."""
    if message.mentions_others or message.quoted is not None:
        return True
    if not company.others or _begins_with(message.text, own_names):
        return False
    first_names = [name.split()[0] for name in company.others if name.split()]
    return _speaks_to(message.text.strip(), {*company.others, *first_names})


def _speaks_to(text: str, names: Collection[str]) -> bool:
    """Whether a text calls one of these: by `@` and their name, typed, or by their name where it begins, or its second
    sentence does, and what follows goes on as one does who has called somebody."""
    any_of_them = _any_of(names)
    # Of one who is called Will, "Will you …?" tells nothing.
    asks = _any_of(name for name in names if name.lower() not in _ASKING)
    forms = (
        rf"(?s:.*)(?<![\w.@/])@{any_of_them}{_END_OF_WORD}",
        rf"{_GREETING}{any_of_them}{_COMMA}",
        rf"{_HAILS}[\s,]+{any_of_them}{_END_OF_WORD}",
        rf"{_GREETING}{asks}{_ASKS}",
        rf"{_AFTER_A_SENTENCE}{any_of_them}\s*,",
        rf"{_AFTER_A_SENTENCE}{asks}{_ASKS}",
    )
    return any(re.match(form, text, re.IGNORECASE) is not None for form in forms)


def _begins_with(text: str, names: Collection[str]) -> bool:
    return re.match(rf"{_GREETING}{_any_of(names)}{_END_OF_WORD}", text.lstrip(), re.IGNORECASE) is not None


def _any_of(names: Iterable[str]) -> str:
    """A pattern of any of these names, the longest first; of none, one that matches nothing."""
    named = "|".join(sorted((re.escape(name) for name in names if name), key=len, reverse=True))
    return f"(?:{named})" if named else "(?!)"


def _starts_foreign_thread(message: IncomingMessage) -> bool:
    # An adapter gives a message that could start a thread its own id as the thread.
    return message.address.thread == message.id and not message.mentions_bot and not message.direct
