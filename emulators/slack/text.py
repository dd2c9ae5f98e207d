"""Slack's text: what a typed line is on the wire, what a reader sees of a message, whom it pings, what it links to.

Pure functions over text, blocks and attachments; nothing here knows of channels or stores anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from emulators.slack.model import Json

_MARKUP = re.compile(
    r"<(?:@[UW][A-Z0-9]+|#[CG][A-Z0-9]+|!(?:channel|here|everyone|subteam\^[A-Z0-9]+)|(?:https?://|mailto:)[^\s<>|]+)(?:\|[^<>]*)?>"
)
_BARE_URL = re.compile(r"https?://[^\s<>|]*[^\s<>|.,;:!?)\]'\"]")
_PING = re.compile(
    r"<!(?P<crowd>channel|here|everyone)(?:\|[^>]*)?>"
    r"|<!subteam\^(?P<subteam>[A-Z0-9]+)(?:\|[^>]*)?>"
    r"|<@(?P<user>[UW][A-Z0-9]+)(?:\|[^>]*)?>"
)
_LINKED_NAME = re.compile(r"(?<![\w@])@(channel|here|everyone)\b")
_RICH_PART = re.compile(r"<@(?P<user>[UW][A-Z0-9]+)(?:\|[^>]*)?>|<(?P<url>https?://[^\s<>|]+)(?:\|(?P<label>[^<>]*))?>")
_UNSEEN = ("actions", "context_actions", "input", "divider")


def escape(text: str) -> str:
    """Escape the three characters Slack's markup is made of."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    """The reverse of `escape`."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def typed(text: str) -> str:
    """A line as a person typed it, as the wire carries it: `& < >` escaped, bare URLs in angle brackets.

    Slack markup that is already there (`<@U…>`, `<#C…>`, `<!here>`, `<https://…|label>`) is what the client inserts for
    a picked name or link, and stays.
    """
    parts: list[str] = []
    last = 0
    for found in _MARKUP.finditer(text):
        parts += [_typed_plain(text[last : found.start()]), found.group()]
        last = found.end()
    parts.append(_typed_plain(text[last:]))
    return "".join(parts)


def _typed_plain(text: str) -> str:
    parts: list[str] = []
    last = 0
    for found in _BARE_URL.finditer(text):
        parts += [escape(text[last : found.start()]), f"<{escape(found.group())}>"]
        last = found.end()
    return "".join([*parts, escape(text[last:])])


def rich_text(text: str, block_id: str) -> list[Json]:
    """The rich_text block Slack's client sends along with a person's message."""
    elements: list[Json] = []
    last = 0
    for found in _RICH_PART.finditer(text):
        if found.start() > last:
            elements.append({"type": "text", "text": unescape(text[last : found.start()])})
        if user := found.group("user"):
            elements.append({"type": "user", "user_id": user})
        else:
            link: Json = {"type": "link", "url": unescape(found.group("url"))}
            if label := found.group("label"):
                link["text"] = unescape(label)
            elements.append(link)
        last = found.end()
    if last < len(text):
        elements.append({"type": "text", "text": unescape(text[last:])})
    return [
        {"type": "rich_text", "block_id": block_id, "elements": [{"type": "rich_text_section", "elements": elements}]}
    ]


def seen(text: str, blocks: list[Json], attachments: list[Json]) -> str:
    """What a reader sees: the blocks' text where there are any, else `text`; then attachments. Buttons are left out.

    The escapes of mrkdwn are undone; a markdown block is given as it was written.
    """
    parts = [part for block in blocks if (part := _block_text(block))] if blocks else [unescape(text)]
    for attachment in attachments:
        if nested := attachment.get("blocks"):
            parts.append(seen("", nested, []))
        else:
            parts += [unescape(str(attachment[key])) for key in ("pretext", "title", "text") if attachment.get(key)]
    return "\n".join(part for part in parts if part)


def _block_text(block: Json) -> str:
    kind = block.get("type")
    if kind in _UNSEEN:
        return ""
    if kind == "markdown":
        return str(block.get("text", ""))
    if kind == "rich_text":
        return "\n".join(_rich_part(element) for element in block.get("elements", []))
    return "\n".join(_texts(block))


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if node.get("type") in ("mrkdwn", "plain_text"):
            words = str(node.get("text", ""))
            yield unescape(words) if node["type"] == "mrkdwn" else words
            return
        if node.get("type") in ("button", "overflow") or str(node.get("type", "")).endswith("_select"):
            return
        for value in node.values():
            yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)


def _rich_part(element: Json) -> str:
    kind = element.get("type")
    if kind == "rich_text_list":
        return "\n".join("• " + _rich_part(item) for item in element.get("elements", []))
    if "elements" in element:
        return "".join(_rich_part(part) for part in element["elements"])
    if kind == "user":
        return f"<@{element.get('user_id')}>"
    if kind == "link":
        return str(element.get("text") or element.get("url"))
    if kind == "emoji":
        return f":{element.get('name')}:"
    if kind == "broadcast":
        return f"@{element.get('range')}"
    return str(element.get("text", ""))


def pings(text: str, blocks: list[Json], attachments: list[Json], *, link_names: bool = False) -> list[tuple[str, str]]:
    """Whom the markup notifies, as (kind, target), each once; `link_names` makes plain `@channel` count too."""
    found: dict[tuple[str, str], None] = {}
    for markup in _markup([text, *blocks, *attachments]):
        for match in _PING.finditer(markup):
            if crowd := match.group("crowd"):
                found[crowd, crowd] = None
            elif subteam := match.group("subteam"):
                found["subteam", subteam] = None
            else:
                found["user", match.group("user")] = None
        if link_names:
            for match in _LINKED_NAME.finditer(markup):
                found[match.group(1), match.group(1)] = None
    return list(found)


def links(text: str, blocks: list[Json], attachments: list[Json]) -> list[str]:
    """The URLs in the markup, each once, in order."""
    return list(
        dict.fromkeys(url for markup in _markup([text, *blocks, *attachments]) for url in _BARE_URL.findall(markup))
    )


def _markup(node: Any) -> Iterator[str]:
    """Every string Slack reads as markup; rich_text's own mention elements are given back as markup."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, list):
        for value in node:
            yield from _markup(value)
    elif isinstance(node, dict):
        kind = node.get("type")
        if kind in ("mrkdwn", "markdown"):
            yield str(node.get("text", ""))
        elif kind == "broadcast":
            yield f"<!{node.get('range')}>"
        elif kind == "usergroup":
            yield f"<!subteam^{node.get('usergroup_id')}>"
        elif kind == "user":
            yield f"<@{node.get('user_id')}>"
        elif kind == "link":
            yield str(node.get("url", ""))
        elif kind is None:
            yield from (str(node[key]) for key in ("pretext", "text", "fallback") if isinstance(node.get(key), str))
            yield from (str(f.get("value", "")) for f in node.get("fields", []) if isinstance(f, dict) and "value" in f)
            yield from _markup(node.get("blocks", []))
        elif kind != "plain_text":
            yield from (text for value in node.values() if isinstance(value, (dict, list)) for text in _markup(value))
