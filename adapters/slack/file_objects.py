"""Files, as Slack describes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.slack.values import clean, fields, identifier
from bot.messages import Attachment, Missing

# Files whose object holds no address, by its `mode`
# (https://docs.slack.dev/changelog/2019-03-wild-west-for-files-no-more) or its `file_access`
# (https://docs.slack.dev/apis/slack-connect/#check_file_info).
_FILE_MODES: Mapping[str, Missing] = {"tombstone": "deleted", "hidden_by_limit": "hidden"}
_FILE_ACCESS: Mapping[str, Missing] = {"file_not_found": "deleted", "check_file_info": "untold"}


def parse_file(entry: object) -> Attachment:
    """A file object of an event, a history row or `files.info`; of one without an address, why there is none."""
    file = fields(entry)
    url = clean(file.get("url_private_download")) or clean(file.get("url_private"))
    size = file.get("size")
    missing = "" if url else _missing(file)
    return Attachment(
        name=clean(file.get("name")) or clean(file.get("title")) or "file",
        media_type=clean(file.get("mimetype")) or "application/octet-stream",
        size=size if isinstance(size, int) and not isinstance(size, bool) and 0 <= size < 2**53 else 0,
        url=url,
        missing=missing,
        id=(identifier(file.get("id")) or "") if missing == "untold" else "",
    )


def _missing(file: Mapping[str, Any]) -> Missing:
    found = _FILE_MODES.get(clean(file.get("mode"))) or _FILE_ACCESS.get(clean(file.get("file_access")), "closed")
    return "closed" if found == "untold" and identifier(file.get("id")) is None else found
