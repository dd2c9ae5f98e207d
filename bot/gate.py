"""Which messages are for us: a pure function of the message, the place's mode and who takes part there.

In a thread the bot stays after one mention. Alone with one person it answers whatever they say; in company only what is
addressed to it, or what plainly goes on with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from bot.admission import command_of
from bot.messages import IncomingMessage
from storage.records import Spoken

Verdict = Literal["answer", "keep", "ignore"]
Mode = Literal["mention", "thread", "all"]

_GREETING = r"(?:(?:hey|hi|hello|ok|okay|so|thanks|thank you)[\s,]+)?@?"
# What follows the name of a person who is addressed; "Bob said" is only about Bob. What begins with the bot's is to it.
_COMMA = r"(?:\s*[,:;!?…–—-]|\s*$)"
_END_OF_WORD = r"(?!\w)"


@dataclass(frozen=True, slots=True)
class Company:
    """Who else takes part in a conversation, by the names people see, and whether the last word in it was with the one
    who speaks now: the bot's answer to them, or their own question to it."""

    others: tuple[str, ...] = ()
    continues: bool = True


ALONE = Company()


def company(spoken: Sequence[Spoken], author_id: str) -> Company:
    """Who is there besides somebody, judged by what was `spoken` lately, the latest first. Programs are no company."""
    people = [each for each in spoken if each.role == "user" and not each.is_bot]
    others = tuple(dict.fromkeys(each.author_name for each in people if each.author_id != author_id))
    if not spoken:
        return Company(others)
    latest = spoken[0]
    questions = [each for each in people if each.turn_id is not None]
    asked_by = {each.author_id for each in questions if each.turn_id == latest.turn_id}
    if latest.role == "assistant" and not asked_by:  # an answer that went on because somebody pressed a button
        asked_by = {each.author_id for each in questions[:1]}
    return Company(others, continues=author_id in asked_by)


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
    wordless = not (message.whole_text or message.attachments)
    if known and not message.mentions_others and command_of(message) is not None:
        return "answer"
    if mode != "mention" and message.quoted is not None and message.quoted.by_us:
        return "answer"
    if mode == "all" and not wordless:
        return "keep" if _is_to_others(message, company) else "answer"
    if not known or wordless:
        # Without words it is a sticker, or Discord keeps what it says from an application without that intent.
        return "ignore"
    # In a channel's chains a reply to a person is to them; only a thread is a place to stay in.
    if mode == "mention" or message.address.thread is None or _is_to_others(message, company):
        return "keep"
    if (
        not company.others
        or company.continues
        or _begins_with(message.text, [bot_name, message.own_name], _END_OF_WORD)
    ):
        return "answer"
    return "keep"


def may_concern_us(message: IncomingMessage, mode: Mode) -> bool:
    """False for what is plainly between others: most of a busy channel, which must not cost a query."""
    return mode == "all" or (
        (message.direct or message.mentions_bot or message.address.thread is not None or message.quoted is not None)
        and not _starts_foreign_thread(message)
    )


def _is_to_others(message: IncomingMessage, company: Company) -> bool:
    """Whether it mentions, replies to, or begins with the name of somebody who is not the bot."""
    if message.mentions_others or message.quoted is not None:
        return True
    first_names = [name.split()[0] for name in company.others if name.split()]
    return _begins_with(message.text, [*company.others, *first_names], _COMMA)


def _begins_with(text: str, names: Iterable[str], end: str) -> bool:
    named = "|".join(sorted((re.escape(name) for name in names if name), key=len, reverse=True))
    return bool(named) and re.match(f"{_GREETING}(?:{named}){end}", text.lstrip(), re.IGNORECASE) is not None


def _starts_foreign_thread(message: IncomingMessage) -> bool:
    # An adapter gives a message that could start a thread its own id as the thread.
    return message.address.thread == message.id and not message.mentions_bot and not message.direct
