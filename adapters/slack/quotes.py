"""What a Slack message quotes of others: messages that were forwarded with it, and those whose links it shows. Pure.

Slack lays both beside the text as attachments: `is_share` where somebody forwarded the message, `is_msg_unfurl` alone
where its permalink was written. Everybody who can read the message is shown what they say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from adapters.slack.inbound import mentioned_channels, mentioned_ids, text_of_blocks, to_markdown

_MOST = 20


def split(attachments: object) -> tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]]:
    """A message's attachments: those that quote a message, and the others."""
    found = [entry for entry in (attachments if isinstance(attachments, list) else []) if isinstance(entry, dict)]
    quoting = [entry for entry in found if entry.get("is_msg_unfurl") is True or entry.get("is_share") is True]
    return quoting[:_MOST], [entry for entry in found if entry not in quoting]


def is_preview(attachment: Mapping[str, Any]) -> bool:
    """Whether an attachment is what Slack shows of a link: nobody said that."""
    return bool(_text(attachment, "from_url") or _text(attachment, "original_url"))


def in_markdown(attachments: object, names: Mapping[str, str]) -> str:
    """What a message quotes, each with whose it is; the empty text where it quotes nothing."""
    quoting, _ = split(attachments)
    return "\n\n".join(quote for quote in (_quote(entry, names) for entry in quoting) if quote)


def people_in(attachments: object) -> Iterable[str]:
    """The ids of the authors of what is quoted, and of those it mentions."""
    for entry in split(attachments)[0]:
        if author := _text(entry, "author_id"):
            yield author
        yield from mentioned_ids(_said(entry))


def channels_in(attachments: object) -> Iterable[str]:
    """The ids of the channels that what is quoted names."""
    for entry in split(attachments)[0]:
        yield from mentioned_channels(_said(entry))


def files_in(attachments: object) -> Sequence[object]:
    """The file objects that came with what is quoted."""
    quoting, _ = split(attachments)
    return [file for entry in quoting for file in (entry["files"] if isinstance(entry.get("files"), list) else [])]


def _quote(entry: Mapping[str, Any], names: Mapping[str, str]) -> str:
    said = to_markdown(_said(entry), names).strip()
    if not said and not files_in([entry]):
        return ""
    who = names.get(_text(entry, "author_id")) or _text(entry, "author_name") or _text(entry, "author_subname")
    where = _text(entry, "channel_name")
    kind = "Forwarded" if entry.get("is_share") is True else "Quoted"
    head = f"{kind} from {who.strip() or 'someone'}{f' in #{where}' if where else ''}:"
    return "\n".join([head, *(f"> {line}".rstrip() for line in said.split("\n") if said)])


def _said(entry: Mapping[str, Any]) -> str:
    """What the quoted message says, in Slack's notation."""
    if text := _text(entry, "text"):
        return text
    blocks = entry.get("message_blocks")
    inner = [block.get("message") for block in (blocks if isinstance(blocks, list) else []) if isinstance(block, dict)]
    found = [text_of_blocks(message.get("blocks")) for message in inner if isinstance(message, dict)]
    return "\n".join(part for part in found if part.strip()) or _text(entry, "fallback")


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    return value if isinstance(value, str) else ""
