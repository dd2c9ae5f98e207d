"""Files: the two methods of an upload, the upload's POST, its deletion, downloads of url_private with the bot token."""

from __future__ import annotations

import mimetypes
from typing import TYPE_CHECKING

from aiohttp import web

from emulators.slack import chat, events
from emulators.slack.arguments import form_parts
from emulators.slack.method import Method
from emulators.slack.model import File, Json, Message, SlackError

if TYPE_CHECKING:
    from emulators.slack.core import Core

LOGIN_PAGE = (
    "<!DOCTYPE html><html><head><title>Sign in | Slack</title></head><body>Sign in to your workspace</body></html>"
)
MOST_ALT_TEXT = 1_000
_GET_URL = {"filename": "str!", "length": "int!", "alt_txt": "str", "snippet_type": "str"}
_INFO = {"file": "str!", "count": "int", "cursor": "str", "limit": "int", "page": "int"}
_COMPLETE = {
    "files": "list!",
    "channel_id": "str",
    "channels": "str",
    "initial_comment": "str",
    "thread_ts": "ts",
    "blocks": "json",
    "username": "str?",
    "icon_emoji": "str",
    "icon_url": "str",
}


def get_upload_url(core: Core, arguments: Json) -> Json:
    if arguments["length"] < 1:
        raise SlackError(
            "invalid_arguments", messages=("[ERROR] must be greater than or equal to 1 [json-pointer:/length]",)
        )
    name = arguments["filename"]
    if len(arguments.get("alt_txt", "")) > MOST_ALT_TEXT:
        raise SlackError("alt_txt_too_large")
    media_type = mimetypes.guess_type(name)[0] or "text/plain"
    file = File(core.new_id("F"), name, media_type, core.bot.id, length=arguments["length"])
    file.alt_text = arguments.get("alt_txt", "")
    core.files[file.id] = file
    return {"upload_url": f"{core.base_url}/upload/v1/{file.id}", "file_id": file.id}


async def upload(core: Core, request: web.Request) -> web.Response:
    """The POST of the bytes, raw or as a form's file."""
    file = core.files.get(request.match_info["file_id"])
    if file is None or file.uploaded:
        return web.Response(status=404, text="no such upload")
    data = await request.read()
    if request.content_type == "multipart/form-data":
        parts = form_parts(request.headers["Content-Type"], data)
        data = next((part for _, file_name, part in parts if file_name is not None), b"")
    if len(data) != file.length:
        core.complain(f"an upload of {len(data)} bytes where {file.length} were announced")
        return web.Response(status=400, text="length mismatch")
    file.data, file.uploaded = data, True
    return web.Response(text=f"OK - {len(data)}")


def complete(core: Core, arguments: Json) -> Json:
    found: list[File] = []
    for entry in chat.structured(arguments["files"], "invalid_arguments"):
        file = core.files.get(str(entry.get("id")))
        if file is None or not file.uploaded or file.completed:
            raise SlackError("file_not_found")
        file.title = str(entry.get("title") or file.name)
        found.append(file)
    if not found:
        raise SlackError("invalid_arguments", messages=("[ERROR] must have at least 1 item [json-pointer:/files]",))
    targets = [arguments["channel_id"]] if arguments.get("channel_id") else (arguments.get("channels") or "").split(",")
    blocks = chat.structured(arguments.get("blocks"), "invalid_blocks")
    chat.check_blocks(blocks)
    if any(block["type"] == "markdown" for block in blocks):  # slackapi/python-slack-sdk, issue 1756
        raise SlackError("internal_error")
    if len(arguments.get("initial_comment") or "") > chat.MOST_TEXT:
        raise SlackError("msg_too_long")
    places = []
    for target in filter(None, targets):
        channel = core.writable(target)
        places.append((channel, chat.parent(core, channel, arguments.get("thread_ts"))))
    for channel, thread_ts in places:
        message = Message(
            channel.id,
            core.new_ts(),
            core.bot.id,
            arguments.get("initial_comment") or "",
            core.bot.bot_id,
            thread_ts,
            "file_share",
            [dict(block) for block in blocks],
            files=found,
        )
        core.post(message, "files.completeUploadExternal")
    for file in found:
        file.completed = True
    return {"files": [events.file_json(core, file) for file in found]}


def delete(core: Core, arguments: Json) -> Json:
    """Only who made a file may delete it, and only who can see it is told so.

    What becomes of the messages that shared it Slack does not document. Here they stay and show a tombstone, as real
    ones were seen to: https://github.com/sgratzl/slack-cleaner/issues/56
    """
    file = core.files.get(arguments["file"])
    if file is None or not file.completed:
        raise SlackError("file_not_found")
    standing = [m for messages in core.store.values() for m in messages.values() if not m.deleted]
    sharing = [message for message in standing if any(each is file for each in message.files)]
    if file.user != core.bot.id and not any(core.bot.id in core.channels[m.channel].members for m in sharing):
        raise SlackError("file_not_found")
    if file.mode == "tombstone":
        raise SlackError("file_deleted")
    if file.user != core.bot.id:
        raise SlackError("cant_delete_file")
    before = [events.message_json(core, message) for message in sharing]
    file.mode = "tombstone"
    for message, was in zip(sharing, before, strict=True):
        core.change(message, "files.delete", edited_by=None, before=was)
    return {}


def info(core: Core, arguments: Json) -> Json:
    """files.info: what a file is, by its id. https://docs.slack.dev/reference/methods/files.info"""
    file = core.files.get(arguments["file"])
    if file is None or not file.uploaded or file.access == "file_not_found":
        raise SlackError("file_not_found")
    if file.mode == "tombstone":
        raise SlackError("file_deleted")
    if file.access == "access_denied":
        raise SlackError("access_denied")
    paging = {"count": 20, "total": 0, "page": 1, "pages": 0}
    return {
        "file": events.file_json(core, file),
        "comments": [],
        "paging": paging,
        "response_metadata": {"next_cursor": ""},
    }


async def download(core: Core, request: web.Request) -> web.StreamResponse:
    """The bytes, or (without the bot token, or without files:read) the HTML of the login page with status 200."""
    file = core.files.get(request.match_info["file"].rpartition("-")[2])
    allowed = request.headers.get("Authorization") == f"Bearer {core.bot_token}" and "files:read" in core.scopes
    if not allowed:
        return web.Response(text=LOGIN_PAGE, content_type="text/html")
    if file is None or file.mode != "hosted" or request.match_info["name"] != file.name:
        return web.Response(status=404, text="file not found", content_type="text/html")
    return web.Response(body=file.data, content_type=file.media_type)


METHODS = [
    Method("files.info", _INFO, info, "t4", "files:read", json_input=False),
    Method("files.getUploadURLExternal", _GET_URL, get_upload_url, "t4", "files:write", json_input=False),
    Method("files.completeUploadExternal", _COMPLETE, complete, "t4", "files:write"),
    Method("files.delete", {"file": "str!"}, delete, "t3", "files:write"),
]
