"""Who people are and what channels are called, as Slack tells: each asked for once and kept for a while."""

from __future__ import annotations

from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.failures import ask
from adapters.slack.inbound import to_markdown
from adapters.slack.names import Lookups
from adapters.slack.people import Person, read_person
from adapters.slack.values import clean, fields
from bot.messages import Place


class Directory:
    """The workspace's people, places and names of channels.

    `rights`: for how many seconds it is told what somebody may do. `team_id`: the workspace that the bot is in, empty
    as long as it is not known.
    """

    def __init__(self, web: AsyncWebClient, *, rights: float) -> None:
        self._web = web
        self.team_id = ""
        self.people: Lookups[Person] = Lookups("user", self._person, whole=rights, fade=Person.without_rights)
        self.places: Lookups[Place] = Lookups("channel", self._place)
        self.channel_names: Lookups[str] = Lookups("channel name", self._channel_name)

    async def close(self) -> None:
        """End what is still being asked for."""
        await self.people.close()
        await self.places.close()
        await self.channel_names.close()

    async def _person(self, user: str) -> Person | None:
        answer = await ask(self._web.users_info(user=user))
        return read_person(answer.get("user"), self.team_id)

    async def _channel_name(self, channel: str) -> str | None:
        """What a channel is called that anybody in the workspace can read; others are not named to those outside."""
        answer = await ask(self._web.conversations_info(channel=channel))
        found = fields(answer.get("channel"))
        return clean(found.get("name")) or None if found.get("is_private") is False else None

    async def _place(self, channel: str) -> Place | None:
        answer = await ask(self._web.conversations_info(channel=channel))
        if not (found := fields(answer.get("channel"))):
            return None
        topic = fields(found.get("topic"))
        return Place(channel_name=clean(found.get("name")), topic=to_markdown(clean(topic.get("value"))))
