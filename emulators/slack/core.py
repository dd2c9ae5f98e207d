"""What changes the workspace: posting, editing, deleting, statuses, pings, and the events each of them sends.

The Web API and the people of the control API act through this class; it knows neither HTTP nor sockets.
"""

from __future__ import annotations

import time

from emulators.slack import events
from emulators.slack import text as markup
from emulators.slack.model import Channel, Json, Message, MessageState, Ping, Status, Unfurl
from emulators.slack.state import State

KIND_OF_SUBSCRIPTION = {
    "channel": "message.channels",
    "group": "message.groups",
    "im": "message.im",
    "mpim": "message.mpim",
}


class Core(State):
    """A workspace that messages can be posted to; see `SlackWorkspace` for the arguments."""

    # ---- messages

    def thread(self, channel_id: str, thread_ts: str) -> list[Message]:
        """The standing messages of a thread, its parent (or tombstone) first."""
        return [m for m in self.store[channel_id].values() if not m.deleted and thread_ts in (m.thread_ts, m.ts)]

    def post(self, message: Message, via: str, *, announce: bool = True, link_names: bool = False) -> Message:
        """Store a new message, note its pings and previews, end the thread's status, and send the `message` event."""
        for number, block in enumerate(message.blocks):
            block.setdefault("block_id", f"{message.ts[-4:]}{number}")
        if message.ephemeral_to is not None:
            self.ephemerals.append(message)
        else:
            self.store[message.channel][message.ts] = message
            parent = self.store[message.channel].get(message.thread_ts or "")
            if parent is not None and parent.thread_ts is None:
                parent.thread_ts = parent.ts
        self.note(message, via, link_names=link_names)
        self._preview(message)
        if message.user == self.bot.id and message.ephemeral_to is None:
            self.clear_status(message.channel, message.thread_ts or message.ts)
        if announce and message.ephemeral_to is None:
            self.announce(message)
        self.changed()
        return message

    def streaming(self, message: Message) -> bool:
        """Whether a stream runs on the message now; one older than `Timing.stream_life` expires here."""
        stream = message.stream
        if stream is not None and message.streaming and time.monotonic() - stream.started >= self.timing.stream_life:
            stream.state = "expired"
        return message.streaming

    def note(self, message: Message, via: str, *, link_names: bool = False) -> None:
        """Record the message's present state and, for the app's own, whom it newly notifies."""
        message.states.append(
            MessageState(
                message.text,
                tuple(dict(block) for block in message.blocks),
                message.metadata,
                via,
                time.monotonic(),
                deleted=message.deleted,
                streaming=message.streaming,
            )
        )
        if message.user == self.bot.id and not message.deleted and message.ephemeral_to is None:
            for kind, target in markup.pings(message.text, message.blocks, message.attachments, link_names=link_names):
                ping = Ping(kind, target, message.channel, message.ts)
                if ping not in self.pings:
                    self.pings.append(ping)
        self.changed()

    def _preview(self, message: Message) -> None:
        off = message.unfurl_links is False and message.unfurl_media is False
        if message.user != self.bot.id or off or message.ephemeral_to is not None or message.stream is not None:
            return
        for url in markup.links(message.text, message.blocks, message.attachments):
            unfurl = Unfurl(url, message.channel, message.ts)
            if unfurl not in self.unfurls:
                self.unfurls.append(unfurl)

    def change(
        self, message: Message, via: str, *, edited_by: str | None, before: Json, link_names: bool = False
    ) -> None:
        """Record an edit already made on `message` and send message_changed; `before` is its JSON from before."""
        if edited_by is not None:
            message.edited = {"user": edited_by, "ts": f"{int(time.time())}.000000"}
        for number, block in enumerate(message.blocks):
            block.setdefault("block_id", f"{message.ts[-4:]}{number}")
        self.note(message, via, link_names=link_names)
        self._preview(message)
        self.send_in(self.channels[message.channel], events.message_changed(self, message, before))

    def remove(self, message: Message, via: str) -> None:
        """Delete: a parent with replies leaves a tombstone (message_changed), anything else goes (message_deleted).

        A tombstone goes with its last reply.
        """
        if message.stream is not None and message.streaming:
            message.stream.state = "done"
        before = events.message_json(self, message)
        if message.thread_ts == message.ts and len(self.thread(message.channel, message.ts)) > 1:
            message.text, message.subtype = "This message was deleted.", "tombstone"
            message.user, message.bot_id, message.client_msg_id = "USLACKBOT", None, None
            message.blocks, message.attachments, message.files, message.metadata = [], [], [], None
            message.reactions = {}
            self.note(message, via)
            self.send_in(self.channels[message.channel], events.message_changed(self, message, before))
            return
        self._vanish(message, via, before)
        parent = self.store[message.channel].get(message.thread_ts or "")
        if parent is not None and parent.subtype == "tombstone" and self.thread(message.channel, parent.ts) == [parent]:
            self._vanish(parent, via, events.message_json(self, parent))

    def _vanish(self, message: Message, via: str, before: Json) -> None:
        message.deleted = True
        if self.status(message.channel, message.ts):  # the line under it goes with it
            self.statuses.append(Status(message.channel, message.ts, "", time.monotonic()))
        self.note(message, via)
        self.send_in(self.channels[message.channel], events.message_deleted(self, message, before))

    # ---- statuses

    def set_status(self, channel: str, thread_ts: str, status: str) -> None:
        """Show (or with an empty text remove) the line under the thread."""
        self.statuses.append(Status(channel, thread_ts, status, time.monotonic()))
        self.changed()

    def status(self, channel: Channel | str, thread_ts: str) -> str:
        """The status line shown now, empty where there is none; it fades after `Timing.status_life`."""
        channel_id = channel if isinstance(channel, str) else channel.id
        for status in reversed(self.statuses):
            if (status.channel, status.thread_ts) == (channel_id, thread_ts):
                return status.text if time.monotonic() - status.at < self.timing.status_life else ""
        return ""

    def clear_status(self, channel: str, thread_ts: str) -> None:
        """Remove a shown status, as the platform does when something is posted."""
        if self.status(channel, thread_ts):
            self.statuses.append(Status(channel, thread_ts, "", time.monotonic(), cleared_by="post"))

    # ---- events

    def announce(self, message: Message, *, event_id: str | None = None) -> None:
        """Send the `message` event of a stored message, when the app would get it."""
        self.send_in(self.channels[message.channel], events.message_event(self, message), event_id=event_id)

    def send_in(self, channel: Channel, event: Json, *, event_id: str | None = None) -> None:
        """Send an event of a conversation, when the app is in it and subscribed to its kind."""
        if self.bot.id in channel.members and KIND_OF_SUBSCRIPTION[channel.kind] in self.subscriptions:
            self.send_event(event, event_id=event_id)

    def send_event(self, event: Json, *, event_id: str | None = None) -> None:
        """Send an event to the app whatever it subscribed to."""
        self.socket.dispatch("events_api", events.callback(self, event, event_id or self.new_id("Ev")))
