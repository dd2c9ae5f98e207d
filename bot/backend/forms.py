"""What of a prompt's form some models don't take, and the same prompt without it. Pure.

A text-only model refuses pictures; the chat templates of many open models refuse two messages of one role in a row, or
a system message. Nothing but the words of the refusal tells which. What such a model is sent is written here; what any
other is sent stays as it is, and with it the prefix that the provider has cached.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from typing import Any

from bot.backend.completion import ModelMessage

PICTURES, NEIGHBOURS, SYSTEM = "messages.pictures", "messages.neighbours", "messages.system"
"""The forms, as refused parameters are named: pictures, two messages of one role in a row, a system message."""
BETWEEN = "\n\n"
"""What stands between messages that are sent as one."""

_PICTURES_REFUSED = re.compile(
    r"\bimage_url\W{0,3} is only supported|\bunknown variant \W?image_url"
    r"|\bunsupported content part type.{0,40}image_url"
    r"|(not|n't|no endpoints found that) support (any )?(image_url|images?|vision)( inputs?| content)?\b"
    r"(?![/\w])(?! (format|type|size|url|file|encod|from|in|with|larger|bigger|above|over|dimension|resolution))"
    # What begins with more than the noun is about that one picture: animated images, CMYK images.
    r"|(?:^|[.:;,\"'(])\s*(image_url|images|image inputs?|image content) (is|are) not (supported|enabled)"
    r"|\bnot a (multi-?modal|vision[ -]capable) model|\bat most 0 image|\bcontent must be a string",
    re.IGNORECASE,
)
_ROLES_REFUSED = re.compile(
    r"\broles? (must|should) (alternate|be alternating)|\bsuccessive user or assistant messages", re.IGNORECASE
)
_SYSTEM_REFUSED = re.compile(
    r"\bsystem (role|message|prompt)s? (is |are )?not (supported|enabled)|\bdeveloper instruction is not enabled"
    r"|(not|n't) support (a |the )?system (role|message|prompt)s?|\bonly user and assistant roles are supported",
    re.IGNORECASE,
)


def forms_of(messages: Sequence[dict[str, Any]]) -> set[str]:
    """Which of the forms the messages of a request have."""
    roles = [message["role"] for message in messages]
    has = {
        PICTURES: any(isinstance(message["content"], list) for message in messages),
        NEIGHBOURS: any(one == other for one, other in pairwise(roles)),
        SYSTEM: "system" in roles,
    }
    return {form for form, there in has.items() if there}


def refused_form(words: str, places: Collection[str], sent: Collection[str]) -> str:
    """The form among those `sent` that a refusal is about, by its `words`, or FastAPI's `places`; empty for none."""
    if PICTURES in sent and ("content" in places or _PICTURES_REFUSED.search(words)):
        return PICTURES
    if SYSTEM in sent and _SYSTEM_REFUSED.search(words):
        return SYSTEM
    if _ROLES_REFUSED.search(words):
        # A template that knows no system message counts it as one that is out of turn.
        return next((form for form in (NEIGHBOURS, SYSTEM) if form in sent), "")
    return ""


def written(messages: Iterable[ModelMessage], refused: Collection[str]) -> list[dict[str, Any]]:
    """The messages of a request, without the forms that were refused."""
    told = list(messages)
    if PICTURES in refused:
        told = blinded(told)
    if SYSTEM in refused:
        told = _without_system(told)
    sent = [{"role": message.role, "content": _content(message)} for message in told]
    if NEIGHBOURS in refused:
        neighbours = groupby(sent, key=lambda message: message["role"])
        sent = [{"role": role, "content": _as_one([each["content"] for each in row])} for role, row in neighbours]
    return sent


def blinded(messages: Iterable[ModelMessage]) -> list[ModelMessage]:
    """The messages with a line in the place of their pictures, so that the model does not pretend."""
    return [
        replace(message, content=message.content + _unseen(len(message.pictures)), pictures=())
        if message.pictures
        else message
        for message in messages
    ]


def _unseen(pictures: int) -> str:
    what, them = ("A picture is", "it") if pictures == 1 else (f"{pictures} pictures are", "them")
    return f"\n[{what} left out here: you can be shown none. You have not seen {them}.]"


def _without_system(messages: Sequence[ModelMessage]) -> list[ModelMessage]:
    """The system message's text at the beginning of the first message, which is then a person's."""
    system = BETWEEN.join(message.content for message in messages if message.role == "system")
    rest = [message for message in messages if message.role != "system"]
    if not system:
        return rest
    if rest and rest[0].role == "user":
        return [replace(rest[0], content=f"{system}{BETWEEN}{rest[0].content}"), *rest[1:]]
    return [ModelMessage("user", system), *rest]


def _content(message: ModelMessage) -> str | list[dict[str, Any]]:
    """A text alone as text, which every compatible server takes; with images as a list of parts."""
    if not message.pictures:
        return message.content
    images = [{"type": "image_url", "image_url": {"url": picture.url}} for picture in message.pictures]
    return [{"type": "text", "text": message.content}, *images]


def _as_one(contents: Sequence[str | list[dict[str, Any]]]) -> str | list[dict[str, Any]]:
    """The contents of several messages in a row as that of one, texts and pictures in their order."""
    texts = [content for content in contents if isinstance(content, str)]
    if len(texts) == len(contents):
        return BETWEEN.join(texts)
    parts: list[dict[str, Any]] = []
    for content in contents:
        for part in content if isinstance(content, list) else [{"type": "text", "text": content}]:
            if part["type"] == "text" and parts and parts[-1]["type"] == "text":
                parts[-1] = {"type": "text", "text": f"{parts[-1]['text']}{BETWEEN}{part['text']}"}
            else:
                parts.append(part)
    return parts
