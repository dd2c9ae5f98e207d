"""The payloads the platform sends: messages as JSON, the Events API's callbacks, slash commands and interactions.

Pure builders over the workspace's state; sending is `socket_mode`'s and deciding who gets what is `core`'s.
"""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

from emulators.slack.model import Channel, File, Json, Message, User

if TYPE_CHECKING:
    from emulators.slack.core import Core

VERIFICATION_TOKEN = "parley-verification"


def callback(core: Core, event: Json, event_id: str) -> Json:
    """The outer payload of an event."""
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": core.team_id,
        "context_team_id": core.team_id,
        "context_enterprise_id": None,
        "api_app_id": core.app_id,
        "event": event,
        "type": "event_callback",
        "event_id": event_id,
        "event_time": int(time.time()),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": core.team_id,
                "user_id": core.bot.id,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": False,
        "event_context": f"4-{uuid.uuid4().hex}",
    }


def file_json(core: Core, file: File) -> Json:
    """A file object as methods show it; of what was deleted, hidden or is closed no more than that."""
    if file.mode != "hosted":
        return {"id": file.id, "mode": file.mode}
    if file.access in ("access_denied", "file_not_found"):
        return _stub(file)
    suffix = file.name.rpartition(".")[2]
    return {
        "id": file.id,
        "created": int(time.time()),
        "timestamp": int(time.time()),
        "name": file.name,
        "title": file.title or file.name,
        "mimetype": file.media_type,
        "filetype": suffix or "text",
        "pretty_type": suffix.upper(),
        "user": file.user,
        "user_team": core.team_id,
        "editable": False,
        "size": len(file.data),
        "mode": "hosted",
        "is_external": False,
        "external_type": "",
        "is_public": True,
        "public_url_shared": False,
        "display_as_bot": False,
        "username": "",
        "url_private": f"{core.base_url}/files-pri/{core.team_id}-{file.id}/{file.name}",
        "url_private_download": f"{core.base_url}/files-pri/{core.team_id}-{file.id}/download/{file.name}",
        "permalink": f"https://{core.domain}.slack.com/files/{file.user}/{file.id}/{file.name}",
        "has_rich_preview": False,
        "file_access": "visible",
    }


def _stub(file: File) -> Json:
    return {
        "id": file.id,
        "mode": "file_access",
        "file_access": file.access,
        "created": 0,
        "timestamp": 0,
        "user": "",
    }


def _pushed(core: Core, body: Json) -> Json:
    """A message as events show it: files of a shared channel by their ids alone.

    https://docs.slack.dev/apis/slack-connect/#check_file_info: "It is only when file events are pushed to your app that
    you will need an additional API call".
    """
    if "files" not in body:
        return body
    files = [core.files[each["id"]] for each in body["files"]]
    shown = [
        _stub(file) if file.access == "check_file_info" and file.mode == "hosted" else file_json(core, file)
        for file in files
    ]
    return body | {"files": shown}


def message_json(core: Core, message: Message, *, with_metadata: bool = True) -> Json:
    """A message as methods and events show it, without its channel."""
    body: Json = {"user": message.user, "type": "message", "ts": message.ts}
    if message.client_msg_id:
        body["client_msg_id"] = message.client_msg_id
    if message.bot_id:
        user = core.users.get(message.user)
        body["bot_id"] = message.bot_id
        body["app_id"] = core.app_id if message.bot_id == core.bot.bot_id else "A0OTHER001"
        body["bot_profile"] = {
            "id": message.bot_id,
            "deleted": False,
            "name": user.real_name if user else message.username or "bot",
            "updated": 1,
            "app_id": body["app_id"],
            "icons": {"image_36": "https://example.com/36.png"},
            "team_id": core.team_id,
        }
    author = core.users.get(message.user)
    body |= {"text": message.text, "team": (author and author.team_id) or core.team_id}
    if message.subtype:
        body["subtype"] = message.subtype
    if message.subtype == "tombstone":
        body["hidden"] = True
    if message.blocks:
        body["blocks"] = message.blocks
    if message.attachments:
        body["attachments"] = message.attachments
    if message.files:
        body |= {"files": [file_json(core, file) for file in message.files], "upload": False, "display_as_bot": False}
    if message.metadata and with_metadata:
        body["metadata"] = message.metadata
    if message.username:
        body["username"] = message.username
    if message.edited:
        body["edited"] = message.edited
    if message.reactions:
        body["reactions"] = [{"name": n, "users": list(u), "count": len(u)} for n, u in message.reactions.items()]
    if message.stream is not None:
        body["streaming_state"] = "in_progress" if message.streaming else "completed"
    return body | _thread_json(core, message)


def _thread_json(core: Core, message: Message) -> Json:
    if message.thread_ts is None:
        return {}
    if message.thread_ts != message.ts:
        body: Json = {"thread_ts": message.thread_ts}
        parent = core.store[message.channel].get(message.thread_ts)
        return body | ({"parent_user_id": parent.user} if parent else {})
    replies = [m for m in core.thread(message.channel, message.ts) if m is not message]
    if not replies:
        return {}
    users = list(dict.fromkeys(m.user for m in replies))
    return {
        "thread_ts": message.ts,
        "reply_count": len(replies),
        "reply_users_count": len(users),
        "latest_reply": replies[-1].ts,
        "reply_users": users,
        "is_locked": False,
        "subscribed": core.bot.id in users,
    }


def quotation(core: Core, message: Message, *, forwarded: bool) -> Json:
    """The attachment by which a message shows another one: forwarded with it, or by the permalink in its text.

    As real ones look; Slack documents none of it. The author's name is the real one, whatever they call themselves.
    """
    author, channel = core.users.get(message.user), core.channels[message.channel]
    name = author.real_name if author else message.username or "bot"
    link = f"https://{core.domain}.slack.com/archives/{channel.id}/p{message.ts.replace('.', '')}"
    place = f"Posted in #{channel.name}" if channel.name else "Direct message"
    quoting: Json = {
        "ts": message.ts,
        "author_id": message.user,
        "channel_id": channel.id,
        "channel_team": core.team_id,
        "is_msg_unfurl": True,
        "message_blocks": [
            {
                "team": core.team_id,
                "channel": channel.id,
                "ts": message.ts,
                "message": {"blocks": message.blocks},
            }
        ],
        "id": 1,
        "fallback": f"[{time.strftime('%B %d, %Y %H:%M', time.gmtime(float(message.ts)))}] {name}: {message.text}",
        "text": message.text,
        "author_name": name,
        "author_link": f"https://{core.domain}.slack.com/team/{message.user}",
        "author_icon": "https://example.com/48.png",
        "author_subname": name,
        "mrkdwn_in": ["text"],
        "from_url": link,
        "footer": place,
    }
    quoting |= {"is_share": True} if forwarded else {"original_url": link}
    if message.thread_ts and message.thread_ts != message.ts:
        quoting["is_reply_unfurl"] = True
    if message.files:
        quoting["files"] = [file_json(core, file) for file in message.files]
    return quoting


def message_event(core: Core, message: Message) -> Json:
    """The `message` event of a new message."""
    place = {"channel": message.channel, "event_ts": message.ts, "channel_type": core.channels[message.channel].kind}
    return _pushed(core, message_json(core, message)) | place


def app_mention(core: Core, message: Message) -> Json:
    """The `app_mention` event of the same message: another event, without channel_type and without files."""
    left_out = ("files", "upload", "display_as_bot", "subtype", "metadata")
    body = {key: value for key, value in message_json(core, message).items() if key not in left_out}
    return body | {"type": "app_mention", "channel": message.channel, "event_ts": message.ts}


def message_changed(core: Core, message: Message, before: Json) -> Json:
    """The event of an edit, an unfurl, or a tombstone."""
    ts = core.new_ts()
    return {
        "type": "message",
        "subtype": "message_changed",
        "message": _pushed(core, message_json(core, message)),
        "previous_message": _pushed(core, before),
        "channel": message.channel,
        "hidden": True,
        "ts": ts,
        "event_ts": ts,
        "channel_type": core.channels[message.channel].kind,
    }


def message_deleted(core: Core, message: Message, before: Json) -> Json:
    """The event of a deletion."""
    ts = core.new_ts()
    return {
        "type": "message",
        "subtype": "message_deleted",
        "previous_message": before,
        "channel": message.channel,
        "hidden": True,
        "deleted_ts": message.ts,
        "ts": ts,
        "event_ts": ts,
        "channel_type": core.channels[message.channel].kind,
    }


def reaction(core: Core, kind: str, user: str, message: Message, name: str) -> Json:
    """reaction_added or reaction_removed."""
    return {
        "type": kind,
        "user": user,
        "reaction": name,
        "item": {"type": "message", "channel": message.channel, "ts": message.ts},
        "item_user": message.user,
        "event_ts": core.new_ts(),
    }


def channel_name(channel: Channel) -> str:
    """The name commands and interactions give a conversation."""
    return {"im": "directmessage", "group": "privategroup"}.get(channel.kind, channel.name)


def slash_command(core: Core, user: User, channel: Channel, command: str, text: str, *, response_url: str) -> Json:
    """A slash command's payload."""
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": core.team_id,
        "team_domain": core.domain,
        "channel_id": channel.id,
        "channel_name": channel_name(channel),
        "user_id": user.id,
        "user_name": user.name,
        "command": command,
        "text": text,
        "api_app_id": core.app_id,
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": core.new_trigger(user.id),
    }


def session_stopped(core: Core, user: User, channel: Channel, thread_ts: str) -> Json:
    """agent_session_stopped; with the app's streams that Slack has stopped in the thread."""
    streaming = [m.ts for m in core.thread(channel.id, thread_ts) if m.streaming]
    return {
        "type": "agent_session_stopped",
        "user": user.id,
        "channel": channel.id,
        "thread_ts": thread_ts,
        "streaming_message_ts": streaming,
        "event_ts": core.new_ts(),
    }


def home_opened(core: Core, user: User, tab: str) -> Json:
    """app_home_opened; with the view that is there already, if one was published."""
    body: Json = {
        "type": "app_home_opened",
        "user": user.id,
        "channel": core.dm(user).id,
        "tab": tab,
        "event_ts": core.new_ts(),
    }
    standing = core.homes.get(user.id) if tab == "home" else None
    return body | ({"view": standing} if standing else {})


def _interaction(core: Core, kind: str, user: User) -> Json:
    return {
        "type": kind,
        "team": {"id": core.team_id, "domain": core.domain},
        "user": {"id": user.id, "username": user.name, "name": user.name, "team_id": user.team_id or core.team_id},
        "api_app_id": core.app_id,
        "token": VERIFICATION_TOKEN,
        "trigger_id": core.new_trigger(user.id),
        "enterprise": None,
        "is_enterprise_install": False,
    }


def block_actions(core: Core, user: User, message: Message, action: Json, *, response_url: str) -> Json:
    """A press on a message's button (or another element), as an interaction."""
    channel = core.channels[message.channel]
    container: Json = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": channel.id,
        "is_ephemeral": message.ephemeral_to is not None,
    }
    if message.thread_ts:
        container["thread_ts"] = message.thread_ts
    body = _interaction(core, "block_actions", user)
    body |= {
        "container": container,
        "channel": {"id": channel.id, "name": channel_name(channel)},
        "state": {"values": {}},
        "response_url": response_url,
        "actions": [action | {"action_ts": core.new_ts()}],
    }
    if message.ephemeral_to is None:
        body["message"] = message_json(core, message)
    return body


def view_actions(core: Core, user: User, view: Json, action: Json) -> Json:
    """A press in a modal or on the Home tab: no channel, no message and no response_url."""
    return _interaction(core, "block_actions", user) | {
        "container": {"type": "view", "view_id": view["id"]},
        "view": view,
        "state": {"values": {}},
        "actions": [action | {"action_ts": core.new_ts()}],
    }


def view_submission(core: Core, user: User, view: Json, values: Json) -> Json:
    """A modal sent off with the given `state.values`."""
    return _interaction(core, "view_submission", user) | {
        "view": view | {"state": {"values": values}},
        "response_urls": [],
    }
