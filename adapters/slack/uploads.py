"""Putting a file into a channel or a thread, in Slack's three steps; removing it; reading one that came along.

Nobody sees anything of an upload before its last step:
https://docs.slack.dev/messaging/working-with-files#upload
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from adapters.files import read_file
from adapters.slack.blockkit import cut
from adapters.slack.failures import SlackFault, ask
from adapters.slack.file_objects import parse_file
from adapters.slack.mrkdwn import as_mrkdwn
from adapters.slack.values import clean
from adapters.slack.web import proxy_for
from bot.errors import DeliveryUncertain
from bot.interactions import OutgoingFile
from bot.messages import Address, Attachment, Missing

# https://docs.slack.dev/reference/methods/files.getUploadURLExternal#errors (alt_txt_too_large)
_DESCRIPTION_LIMIT = 1_000
# https://docs.slack.dev/reference/methods/files.info#errors
_REFUSALS: Mapping[str, Missing] = {
    "file_not_found": "deleted",
    "file_deleted": "deleted",
    "missing_scope": "unscoped",
}
FILE_HOSTS = frozenset({"files.slack.com"})
_FILE_GONE = frozenset({"file_deleted", "file_not_found"})


async def upload(web: AsyncWebClient, address: Address, file: OutgoingFile, text: str = "") -> str:
    """Post the file, with `text` (Markdown) beside it, and return its id. Raises `SlackFault`.

    A comment to a file takes mrkdwn alone: github.com/slackapi/python-slack-sdk/issues/1756.
    """
    ticket = await ask(
        web.files_getUploadURLExternal(
            filename=file.name, length=len(file.data), alt_txt=cut(file.description, _DESCRIPTION_LIMIT) or None
        )
    )
    url, file_id = ticket.get("upload_url"), clean(ticket.get("file_id"))
    if not isinstance(url, str) or not url.startswith(("https://", "http://")) or not file_id:
        raise SlackFault("unreadable", status=200)
    await _post(web.session, url, file)
    await ask(
        web.files_completeUploadExternal(
            files=[{"id": file_id, "title": file.name}],
            channel_id=address.channel,
            thread_ts=address.thread,
            initial_comment=as_mrkdwn(text) if text.strip() else None,
        )
    )
    return file_id


async def remove(web: AsyncWebClient, file_id: str) -> None:
    """Delete one of the bot's own files; one that is gone already is no error. Raises `SlackFault`.

    It is gone then wherever it was shared; a message that shared it may stay, and says that it was deleted.
    https://docs.slack.dev/reference/methods/files.delete
    """
    try:
        await ask(web.files_delete(file=file_id))
    except SlackFault as fault:
        if fault.code not in _FILE_GONE:
            raise


async def _post(session: aiohttp.ClientSession | None, url: str, file: OutgoingFile) -> None:
    """The bytes; the address itself is the ticket, so no token goes there."""
    if session is None:
        raise SlackFault("connection")
    headers = {"Content-Type": "application/octet-stream"}
    try:
        async with session.post(url, data=file.data, headers=headers, proxy=proxy_for(url)) as response:
            status = response.status
    except TimeoutError:
        raise SlackFault("timeout") from None
    except (aiohttp.ClientError, OSError, RuntimeError):  # RuntimeError: the session was closed meanwhile
        raise SlackFault("connection") from None
    except ValueError:  # no address that could be read
        raise SlackFault("unreadable") from None
    if status != 200:
        raise SlackFault(f"http_{status}", status=status, refused=400 <= status < 500 and status != 429)


async def told(web: AsyncWebClient, file: Attachment) -> Attachment:
    """What a file is that an event named by its id alone; raises `SlackFault` where that is worth asking again.

    https://docs.slack.dev/apis/slack-connect/#check_file_info
    """
    try:
        answer = await ask(web.files_info(file=file.id))
    except SlackFault as fault:
        if fault.transient or fault.token_refused:
            raise
        return replace(file, id="", missing=_REFUSALS.get(fault.code, "closed"))
    found = parse_file(answer.get("file"))
    return replace(found, id="", missing="closed") if found.missing == "untold" else found


async def download(web: AsyncWebClient, file: Attachment, most_bytes: int) -> bytes:
    """The bytes of a file, with the bot's own token; raises a `DeliveryFailure`, code `html` without files:read."""
    if web.session is None:
        raise DeliveryUncertain("connection")
    # Where the API is elsewhere, an emulated one for instance, its files are too.
    hosts = {*FILE_HOSTS, urlsplit(web.base_url).hostname or ""}
    return await read_file(
        web.session,
        file.url,
        hosts=hosts,
        most_bytes=most_bytes,
        headers={"Authorization": f"Bearer {web.token}"},
        proxy=proxy_for(file.url),
        # Of a file that is HTML itself, Slack says how large it is; of another no page is what was asked for.
        page_of_size=file.size if file.media_type in ("text/html", "application/xhtml+xml") else -1,
    )
