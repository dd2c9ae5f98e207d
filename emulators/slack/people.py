"""The people of the workspace: what tests and the demo let them do (write, edit, delete, react, command).

Each act changes the workspace as the platform would and sends the events the app would get for it.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable, Sequence
from typing import Literal

from emulators.slack import directory, events, response_urls
from emulators.slack import text as markup
from emulators.slack.core import Core
from emulators.slack.model import Channel, Delivery, File, Json, Message, Upload, User
from emulators.slack.state import ResponseUrl


class People(Core):
    """The control API's acts; see `SlackWorkspace`."""

    def add_user(
        self,
        name: str,
        *,
        admin: bool = False,
        owner: bool = False,
        guest: bool = False,
        bot: bool = False,
        real_name: str | None = None,
        team_id: str | None = None,
    ) -> User:
        """A new member; `bot` makes it another app's bot user, `team_id` somebody of another workspace.

        What they are then said to be (`admin`, `owner`) they are in theirs.
        """
        bot_id = self.new_id("B") if bot else None
        shown = real_name or name.title()
        user = User(self.new_id("U"), name.lower(), shown, admin, bot_id, owner=owner, guest=guest, team_id=team_id)
        self.users[user.id] = user
        return user

    def add_channel(
        self, name: str, *, private: bool = False, members: Iterable[User] = (), topic: str = "", bot: bool = True
    ) -> Channel:
        """A new channel; everyone known so far is in it unless `members` names some; `bot=False` leaves the app out."""
        chosen = {user.id for user in members} or {user.id for user in self.users.values()}
        chosen = chosen | {self.bot.id} if bot else chosen - {self.bot.id}
        kind: Literal["group", "channel"] = "group" if private else "channel"
        return self.add_conversation(Channel(self.new_id("C"), name, kind, chosen, topic))

    def open_dm(self, user: User) -> Channel:
        """The direct conversation of the person and the app."""
        return self.dm(user)

    async def say(
        self,
        user: User,
        channel: Channel,
        text: str,
        *,
        thread_ts: str | None = None,
        files: Sequence[Upload] = (),
        mention: bool = False,
        blocks: list[Json] | None = None,
        attachments: list[Json] | None = None,
        forward: Message | None = None,
        subtype: str | None = None,
        order: Literal["mention_first", "message_first"] = "message_first",
        paired: bool = True,
        raw: bool = False,
        send: bool = True,
    ) -> Message:
        """A person posts.

        `text` is what is typed: `& < >` are escaped and bare URLs marked up, Slack markup such as `<@U…>` stays;
        `raw` takes it as it is. `forward` is another message that is forwarded with this one. `mention` puts the app's
        mention in front. A mention in a channel the app is in sends `app_mention` and `message`, in `order`; with
        `paired=False` the mention alone. `send=False` stores the message without telling the app, as when the event
        was lost.
        """
        wire = text if raw else markup.typed(text)
        if mention:
            wire = f"<@{self.bot.id}> {wire}".rstrip()
        if thread_ts is not None:
            assert thread_ts in self.store[channel.id], f"no message {thread_ts} in {channel.name or channel.id}"
        channel.members.add(user.id)
        ts = self.new_ts()
        made = [self._file(user, upload) for upload in files]
        message = Message(
            channel=channel.id,
            ts=ts,
            user=user.id,
            text=wire,
            bot_id=user.bot_id,
            thread_ts=thread_ts,
            subtype=subtype or ("file_share" if made else None),
            blocks=markup.rich_text(wire, ts[-5:]) if blocks is None and wire else blocks or [],
            attachments=[*(attachments or []), *self._quoting(forward)],
            files=made,
            client_msg_id=None if user.bot_id else str(uuid.uuid4()),
        )
        self.post(message, "person", announce=False)
        if send:
            self.tell(message, order=order, paired=paired)
        await asyncio.sleep(0)
        return message

    def _quoting(self, forward: Message | None) -> list[Json]:
        return [] if forward is None else [events.quotation(self, forward, forwarded=True)]

    async def show(self, message: Message, quoted: Message) -> None:
        """The platform shows the message whose permalink stands in another: message_changed without `edited`."""
        before = events.message_json(self, message)
        message.attachments = [*message.attachments, events.quotation(self, quoted, forwarded=False)]
        self.change(message, "unfurl", edited_by=None, before=before)
        await asyncio.sleep(0)

    def _file(self, user: User, upload: Upload) -> File:
        file = File(
            self.new_id("F"), upload.name, upload.media_type, user.id, upload.data, upload.name, len(upload.data),
            mode=upload.mode, access=upload.access,
        )  # fmt: skip
        file.uploaded = file.completed = True
        self.files[file.id] = file
        return file

    def tell(
        self,
        message: Message,
        *,
        order: Literal["mention_first", "message_first"] = "message_first",
        paired: bool = True,
    ) -> None:
        """Send a stored message's events (again, with new event ids): `message`, and `app_mention` for a mention."""
        channel = self.channels[message.channel]
        mentioned = ("user", self.bot.id) in markup.pings(message.text, message.blocks, message.attachments)
        wanted = (
            mentioned
            and channel.kind != "im"
            and "app_mention" in self.subscriptions
            and self.bot.id in channel.members
        )
        if not wanted:
            self.announce(message)
            return
        if order == "mention_first":
            self.send_event(events.app_mention(self, message))
        if paired:
            self.announce(message)
        if order == "message_first":
            self.send_event(events.app_mention(self, message))

    async def edit(self, user: User, message: Message, text: str, *, raw: bool = False) -> None:
        """A person edits their message: message_changed."""
        before = events.message_json(self, message)
        message.text = text if raw else markup.typed(text)
        message.blocks = markup.rich_text(message.text, message.ts[-5:])
        self.change(message, "person", edited_by=user.id, before=before)
        await asyncio.sleep(0)

    async def delete(self, message: Message) -> None:
        """A message is deleted: message_deleted, or for a parent with replies a tombstone by message_changed."""
        self.remove(message, "person")
        await asyncio.sleep(0)

    async def unfurl(self, message: Message, url: str, title: str = "A page") -> None:
        """The platform adds a preview to a person's message: message_changed without `edited`."""
        before = events.message_json(self, message)
        message.attachments = [
            *message.attachments,
            {"from_url": url, "title": title, "title_link": url, "fallback": title, "id": 1},
        ]
        self.change(message, "unfurl", edited_by=None, before=before)
        await asyncio.sleep(0)

    async def react(self, user: User, message: Message, name: str) -> None:
        """A person adds a reaction."""
        directory.react(self, message, user, name)
        await asyncio.sleep(0)

    async def unreact(self, user: User, message: Message, name: str) -> None:
        """A person takes a reaction back."""
        directory.unreact(self, message, user, name)
        await asyncio.sleep(0)

    async def stop_stream(self, message: Message) -> None:
        """The person presses stop on a message that streams: appends answer stopped_by_user from now on."""
        assert message.stream is not None
        message.stream.state = "stopped"
        self.note(message, "person")

    async def slash(self, user: User, channel: Channel, command: str, text: str = "") -> Delivery:
        """A person runs a slash command; what the ack carries is shown to them as if posted to the response_url."""
        response = ResponseUrl(user.id, channel.id, None, None)
        url = self.new_response_url(response)
        payload = events.slash_command(self, user, channel, command, text, response_url=url)
        return await self.interact("slash_commands", payload, response, accepts=True)

    async def interact(
        self,
        kind: Literal["slash_commands", "interactive"],
        payload: Json,
        response: ResponseUrl | None,
        *,
        accepts: bool,
    ) -> Delivery:
        """Send, wait for the ack or its deadline, and show what the ack carried."""
        delivery = self.socket.dispatch(kind, payload, accepts=accepts)
        await self.wait_for(lambda: delivery.state != "pending", timeout=self.timing.ack_deadline + 5)
        answer = delivery.response
        if (
            kind == "slash_commands"
            and response is not None
            and isinstance(answer, dict)
            and answer.get("text", answer.get("blocks"))
        ):
            response_urls.act(self, response, answer)
        return delivery

    async def redeliver(self, message: Message, *, kind: str | None = None) -> Delivery:
        """Send the last event about the message again, event_id included; `kind` picks app_mention or message."""
        for delivery in reversed(self.socket.deliveries):
            event = delivery.event
            about = event.get("channel") == message.channel and event.get("ts") == message.ts
            if about and kind in (None, event.get("type")):
                return self.socket.dispatch("events_api", delivery.payload)
        raise LookupError(f"no event was sent about {message.ts}")

    async def send_raw(self, frame: str | Json) -> Delivery | None:
        """Send something malformed: text or a dict with `envelope_id` goes out as it is, and None is returned.

        Another dict becomes an envelope's payload, and its delivery is returned.
        """
        if isinstance(frame, str) or "envelope_id" in frame:
            await self.socket.send_raw(frame)
            return None
        return self.socket.dispatch("events_api", frame)
