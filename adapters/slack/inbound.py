"""Turns what Slack delivers into Markdown with people named, and finds the text that messages have in blocks only.

Pure functions over what came over the wire: nothing is trusted to have the right type, and nothing here raises.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

_NO_NAMES: Mapping[str, str] = MappingProxyType({})
_CODE = re.compile(r"```(?P<block>.*?)```|`(?P<span>[^`\n]+)`", re.DOTALL)
_CONTROL = re.compile(r"<(?P<body>[^<>\n]{1,4000})>")
_USER = re.compile(r"<@([UW][A-Z0-9]{0,30})(?:\|[^<>\n]*)?>")
_CHANNEL = re.compile(r"<#([CG][A-Z0-9]{1,30})\|?>")
_BOLD = re.compile(r"(?<![\w*])\*(?=[^\s*])([^*\n]{0,1000}[^\s*])\*(?![\w*])")
_STRIKE = re.compile(r"(?<![\w~])~(?=[^\s~])([^~\n]{0,1000}[^\s~])~(?![\w~])")
_BULLET = re.compile(r"^([ \t]*)[•◦▪]\s+", re.MULTILINE)
_DEEPEST = 30
"""How deep blocks are read; Slack nests them about six deep."""


def to_markdown(text: str, names: Mapping[str, str] = _NO_NAMES) -> str:
    """Return a message's text as Markdown.

    `names` maps the ids of users and channels to their names; other users are `@someone`, other channels `#channel`.
    """
    written: list[str] = []
    done = 0
    for code in _CODE.finditer(text):
        written.append(_prose(text[done : code.start()], names))
        if code["block"] is None:
            written.append(f"`{_literal(code['span'], names)}`")
        else:
            before = "" if not any(written) or "".join(written[-1:]).endswith("\n") else "\n"
            after = "" if text.startswith("\n", code.end()) or code.end() == len(text) else "\n"
            written.append(f"{before}```\n{_literal(code['block'], names).strip(chr(10))}\n```{after}")
        done = code.end()
    return "".join([*written, _prose(text[done:], names)])


def mentioned_ids(text: str) -> tuple[str, ...]:
    """Return the ids of the users mentioned in Slack's notation, in order, each once."""
    return tuple(dict.fromkeys(_USER.findall(text)))


def mentioned_channels(text: str) -> tuple[str, ...]:
    """Return the ids of the channels that Slack's notation gives without their names, in order, each once."""
    return tuple(dict.fromkeys(_CHANNEL.findall(text)))


def _prose(text: str, names: Mapping[str, str]) -> str:
    """Translate what is outside code. Links are kept away from the emphasis, whose marks addresses may contain."""
    kept: list[str] = []

    def keep(match: re.Match[str]) -> str:
        kept.append(_control(match["body"], names, link=_markdown_link))
        return f"\ue000{len(kept) - 1}\ue001"

    marked = _CONTROL.sub(keep, text.replace("\ue000", "").replace("\ue001", ""))
    marked = _STRIKE.sub(r"~~\1~~", _BOLD.sub(r"**\1**", _BULLET.sub(r"\1- ", marked)))
    return re.sub("\ue000(\\d+)\ue001", lambda match: kept[int(match[1])], unescape(marked))


def _literal(text: str, names: Mapping[str, str]) -> str:
    return unescape(_CONTROL.sub(lambda match: _control(match["body"], names, link=_plain_link), text))


def unescape(text: str) -> str:
    """Undo the three escapes that Slack makes."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _control(body: str, names: Mapping[str, str], link: Callable[[str, str], str]) -> str:
    """Translate what stands between `<` and `>`."""
    target, _, label = body.partition("|")
    label = unescape(label)
    match target[:1]:
        case "@":
            return "@" + (names.get(target[1:]) or label.removeprefix("@") or "someone")
        case "#":
            return "#" + (label.removeprefix("#") or names.get(target[1:]) or "channel")
        case "!":
            return _special(target[1:], label)
        case _:
            return link(unescape(target), label)


def _special(command: str, label: str) -> str:
    name = command.partition("^")[0]
    if name in {"here", "channel", "everyone"}:
        return f"@{name}"
    if name == "subteam":
        return "@" + (label.removeprefix("@") or "team")
    return label or name


def _markdown_link(target: str, label: str) -> str:
    bare = target.removeprefix("mailto:").removeprefix("tel:")
    if not label or label in {target, bare}:
        return bare
    if target.removeprefix("http://").removeprefix("https://").rstrip("/") == label.rstrip("/"):
        return target if "://" in target else label
    return f"[{label}]({target})"


def _plain_link(target: str, label: str) -> str:
    return label or target


def text_of_blocks(blocks: object, attachments: object = None) -> str:
    """Return the text that a message has in its blocks and attachments, in Slack's notation, for `to_markdown`.

    Takes whatever JSON came; what is not understood is left out.
    """
    parts = [_block(block, 0) for block in _items(blocks)]
    parts += [_attachment(attachment) for attachment in _items(attachments)]
    return "\n".join(part for part in parts if part.strip())


def _attachment(attachment: object) -> str:
    pretext, title, text = (_string(attachment, key) for key in ("pretext", "title", "text"))
    link = _string(attachment, "title_link")
    title = f"<{link}|{title}>" if link and title else title
    fields = [
        f"{_string(field, 'title')}: {_string(field, 'value')}".strip(": ")
        for field in _items(_get(attachment, "fields"))
    ]
    inner = text_of_blocks(_get(attachment, "blocks")) if not isinstance(_get(attachment, "blocks"), Mapping) else ""
    lines = [pretext, title, text, *fields, inner]
    found = "\n".join(line for line in lines if line)
    return found or _string(attachment, "fallback")


def _block(block: object, depth: int) -> str:
    if depth > _DEEPEST:
        return ""
    match _get(block, "type"):
        case "rich_text":
            return "\n".join(filter(None, (_rich(item, depth + 1) for item in _items(_get(block, "elements")))))
        case "section":
            fields = (_text(item) for item in _items(_get(block, "fields")))
            return "\n".join(filter(None, [_text(_get(block, "text")), *fields]))
        case "header":
            title = _text(_get(block, "text"))
            return f"*{title}*" if title else ""
        case "context":
            return " ".join(filter(None, (_text(item) for item in _items(_get(block, "elements")))))
        case "markdown":
            return _escape(_string(block, "text"))
        case "image" | "video":
            return _text(_get(block, "title")) or _escape(_string(block, "alt_text"))
        case "table":
            rows = (_items(row) for row in _items(_get(block, "rows")))
            return "\n".join(" | ".join(_cell(cell, depth + 1) for cell in row) for row in rows)
        case _:
            return ""


def _cell(cell: object, depth: int) -> str:
    if _get(cell, "type") == "rich_text":
        return _block(cell, depth).replace("\n", " ")
    return _escape(_string(cell, "text"))


def _rich(element: object, depth: int) -> str:
    """Write one element of a rich text block: a section, a list, a quote, code."""
    if depth > _DEEPEST:
        return ""
    items = _items(_get(element, "elements"))
    match _get(element, "type"):
        case "rich_text_section":
            return "".join(_inline(item) for item in items)
        case "rich_text_preformatted":
            return "```\n" + "".join(_inline(item, styled=False) for item in items) + "\n```"
        case "rich_text_quote":
            quoted = "".join(_inline(item) for item in items)
            return "\n".join(f"&gt; {line}" for line in quoted.split("\n"))
        case "rich_text_list":
            return _list(element, items, depth)
        case _:
            return ""


def _list(element: object, items: Iterable[object], depth: int) -> str:
    indent = _get(element, "indent")
    space = "    " * (min(indent, 8) if isinstance(indent, int) and indent > 0 else 0)
    offset = _get(element, "offset")
    first = (offset if isinstance(offset, int) else 0) + 1
    is_ordered = _get(element, "style") == "ordered"
    lines = []
    for number, item in enumerate(items, first):
        marker = f"{number}." if is_ordered else "•"
        lines.append(f"{space}{marker} {_rich(item, depth + 1)}")
    return "\n".join(lines)


def _inline(item: object, *, styled: bool = True) -> str:
    kind = _get(item, "type")
    written = _inline_plain(kind, item)
    style = _get(item, "style")
    if not styled or not written.strip() or not isinstance(style, Mapping):
        return written
    bare = written.strip()
    for name, mark in (("code", "`"), ("strike", "~"), ("italic", "_"), ("bold", "*")):
        if style.get(name) is True:
            bare = f"{mark}{bare}{mark}"
    return written[: len(written) - len(written.lstrip())] + bare + written[len(written.rstrip()) :]


def _inline_plain(kind: object, item: object) -> str:
    match kind:
        case "text":
            return _escape(_string(item, "text"))
        case "link":
            url, label = _string(item, "url"), _escape(_string(item, "text"))
            return f"<{_escape(url)}|{label}>" if label else f"<{_escape(url)}>" if url else ""
        case "user":
            return f"<@{_string(item, 'user_id')}>"
        case "channel":
            return f"<#{_string(item, 'channel_id')}>"
        case "usergroup":
            return f"<!subteam^{_string(item, 'usergroup_id')}>"
        case "broadcast":
            return f"<!{_string(item, 'range')}>"
        case "emoji":
            return f":{_string(item, 'name')}:"
        case "date":
            return _escape(_string(item, "fallback"))
        case "color":
            return _escape(_string(item, "value"))
        case _:
            return ""


def _text(value: object) -> str:
    """Return a text object's text in Slack's notation; plain text is escaped."""
    text = _string(value, "text")
    return text if _get(value, "type") == "mrkdwn" else _escape(text)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _get(value: object, key: str) -> object:
    return value.get(key) if isinstance(value, Mapping) else None


def _string(value: object, key: str) -> str:
    found = _get(value, key)
    return found if isinstance(found, str) else ""


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []
