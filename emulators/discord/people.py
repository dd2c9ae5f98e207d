"""What the people of the emulated Discord do: join, open channels, say, edit, delete, react, start threads.

Called by tests and the demo; nothing here is reached over HTTP.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterable

from emulators.discord import events, posting
from emulators.discord.core import Core
from emulators.discord.guild_payloads import roles_payload
from emulators.discord.payloads import channel_payload, member_payload
from emulators.discord.sessions import GUILD_MEMBERS, GUILDS
from emulators.discord.state import (
    ADMINISTRATOR,
    NO_PERMISSION,
    PUBLIC_THREAD,
    TEXT,
    Channel,
    Guild,
    Message,
    Overwrite,
    Permission,
    Role,
    Typing,
    Upload,
    User,
)


class People(Core):
    """The actions of users and of the guild's owner."""

    def add_user(
        self,
        name: str,
        *,
        bot: bool = False,
        admin: bool = False,
        global_name: str | None = None,
        nick: str | None = None,
    ) -> User:
        """A new member of every guild; `admin` ones have all permissions, by a role of administrators."""
        user = self._new_user(name, bot=bot, admin=admin, global_name=global_name, nick=nick)
        if admin:
            user.roles += [self._admins(guild) for guild in self.world.guilds.values()]
        for guild in self.world.guilds.values():
            data = {**member_payload(user, guild), "guild_id": str(guild.id)}
            self.sessions_store.dispatch("GUILD_MEMBER_ADD", None, data, guild_intent=GUILD_MEMBERS, guild_id=guild.id)
        self.changed()
        return user

    def rename_bot(self, nick: str | None) -> None:
        """The bot gets another nickname, or none; Discord tells it so whatever its intents are.

        https://docs.discord.com/developers/events/gateway#list-of-intents
        """
        self.bot.nick = nick
        for guild in self.world.guilds.values():
            data = {**member_payload(self.bot, guild), "guild_id": str(guild.id)}
            self.sessions_store.dispatch("GUILD_MEMBER_UPDATE", None, data, guild_intent=GUILDS, guild_id=guild.id)
        self.changed()

    def _admins(self, guild: Guild) -> Role:
        known = next((role for role in guild.roles if role.permissions & ADMINISTRATOR), None)
        return known or self.add_role("Admins", guild=guild, mentionable=False, permissions=Permission(ADMINISTRATOR))

    def add_guild(self, name: str) -> Guild:
        """The bot joins another guild."""
        guild = self.new_guild(name)
        self.announce_guild(guild)
        self.changed()
        return guild

    @abstractmethod
    def announce_guild(self, guild: Guild) -> None:
        """Tell the connected sessions of a guild; `server.py` knows how."""

    def add_channel(self, name: str, topic: str | None = None, *, guild: Guild | None = None) -> Channel:
        """A new text channel."""
        channel = Channel(self.world.snowflake(), TEXT, name, guild=guild or self.guild, topic=topic)
        self.world.channels[channel.id] = channel
        self.sessions_store.dispatch("CHANNEL_CREATE", channel, channel_payload(channel, self.bot), guild_intent=GUILDS)
        self.changed()
        return channel

    def add_role(
        self,
        name: str,
        *,
        mentionable: bool = True,
        guild: Guild | None = None,
        permissions: Permission = NO_PERMISSION,
    ) -> Role:
        """A new role; put it into a user's `roles` to give it."""
        home = guild or self.guild
        role = Role(self.world.snowflake(), name, home.id, int(permissions), mentionable)
        home.roles.append(role)
        self.world.roles[role.id] = role
        data = {"guild_id": str(home.id), "role": roles_payload(home)[-1]}
        self.sessions_store.dispatch("GUILD_ROLE_CREATE", None, data, guild_intent=GUILDS, guild_id=home.id)
        self.changed()
        return role

    def deny(self, channel: Channel, *permissions: Permission) -> None:
        """Take permissions from the bot in a channel; call with none to give all back."""
        channel.denied = Permission(0)
        for permission in permissions:
            channel.denied |= permission
        self.sessions_store.dispatch("CHANNEL_UPDATE", channel, channel_payload(channel, self.bot), guild_intent=GUILDS)
        self.changed()

    def overwrite(
        self,
        channel: Channel,
        whom: Role | User,
        *,
        allow: Permission = NO_PERMISSION,
        deny: Permission = NO_PERMISSION,
    ) -> None:
        """Give permissions to a role or a member in one channel, and take others."""
        channel.overwrites[whom.id] = Overwrite(isinstance(whom, User), allow, deny)
        self.sessions_store.dispatch("CHANNEL_UPDATE", channel, channel_payload(channel, self.bot), guild_intent=GUILDS)
        self.changed()

    async def say(
        self,
        user: User,
        channel: Channel,
        text: str,
        *,
        reply_to: Message | None = None,
        ping_reply: bool = True,
        mention: bool = False,
        attachments: Iterable[Upload] = (),
        thread: Channel | None = None,
    ) -> Message:
        """`user` sends a message; `mention` puts the bot's mention before the text, `thread` sends it there."""
        place = thread or channel
        body: dict[str, object] = {"content": f"{self.bot.mention} {text}" if mention else text}
        assert len(str(body["content"])) <= 4000, "nobody can type over 4,000 characters"
        if reply_to is not None:
            body["message_reference"] = {"message_id": str(reply_to.id), "channel_id": str(reply_to.channel.id)}
            everything = ["users", "roles", "everyone"]
            body["allowed_mentions"] = {"parse": everything, "replied_user": ping_reply}
        files = dict(enumerate(attachments))
        return posting.compose(self, place, user, body, files)

    async def forward(self, user: User, channel: Channel, message: Message) -> Message:
        """`user` forwards a message: a copy of it in a message that says nothing itself."""
        return posting.forward(self, channel, user, message)

    async def edit(self, message: Message, text: str) -> None:
        """The author of a message changes its text."""
        posting.amend(self, message, {"content": text}, {})

    async def unfurl(self, message: Message, title: str = "A page") -> None:
        """Discord adds the previews of a message's links: a MESSAGE_UPDATE that nobody's edit caused."""
        message.embeds = [{"type": "link", "url": url, "title": title} for url in message.unfurled]
        posting.dispatch_message(self, "MESSAGE_UPDATE", message)
        self.changed()

    async def delete(self, message: Message) -> None:
        """Somebody deletes a message."""
        posting.remove(self, message)

    async def purge(self, *messages: Message) -> None:
        """A moderator deletes several messages of a channel at once."""
        posting.remove_many(self, messages)

    async def react(self, user: User, message: Message, emoji: str) -> None:
        """`user` reacts with a Unicode emoji or `name:id`."""
        events.set_reaction(self, message, user, emoji, present=True)

    async def unreact(self, user: User, message: Message, emoji: str) -> None:
        """`user` takes a reaction back."""
        events.set_reaction(self, message, user, emoji, present=False)

    async def start_typing(self, user: User, channel: Channel) -> None:
        """`user` types."""
        self.world.typing.append(Typing(channel, user, time.monotonic()))
        events.typing_started(self, channel, user)

    async def start_thread(
        self, user: User, channel: Channel, name: str, from_message: Message | None = None
    ) -> Channel:
        """`user` starts a public thread, on a message or without one."""
        return posting.open_thread(self, channel, user, name, starter=from_message, kind=PUBLIC_THREAD)

    async def archive_thread(self, thread: Channel, *, locked: bool = False) -> None:
        """A thread falls asleep, or a moderator locks it as well."""
        thread.archived, thread.locked = True, locked
        events.thread_changed(self, "THREAD_UPDATE", thread)

    async def redeliver(self, message: Message) -> None:
        """Dispatch the MESSAGE_CREATE of a message once more, as gateways now and then do."""
        posting.dispatch_message(self, "MESSAGE_CREATE", message)
        self.changed()
