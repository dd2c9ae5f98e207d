"""Who talks in the demo, and where: the people and the places of the emulated workspace and server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.demo.places import DiscordPlace, Person, Place, SlackPlace
from bot.demo.stage import Stage

ADA, BEN = Person("Ada", "#ff8fb1"), Person("Ben", "#6cb6ff")
MIA, LEO = Person("Mia", "#d7a6ff"), Person("Leo", "#ffcf6b")
YOU = Person("Robin", "#7fd1c7")


@dataclass(frozen=True, slots=True)
class Cast:
    """The places of the script, and those where the viewer may talk."""

    general: SlackPlace
    direct: SlackPlace
    studio: DiscordPlace
    open_to_you: Sequence[Place]

    @property
    def played(self) -> Sequence[SlackPlace | DiscordPlace]:
        """The places of the script."""
        return self.general, self.direct, self.studio


def engage(stage: Stage) -> Cast:
    """Put the people and their channels onto the stage."""
    slack, discord = stage.slack, stage.discord
    # The viewer may change settings, as an admin of both.
    in_slack = {who.name: slack.add_user(who.name, admin=who is YOU) for who in (ADA, BEN, YOU)}
    for name, user in in_slack.items():
        user.name = name  # what the emulator shows; people write their names with a capital
    in_discord = {
        who.name: discord.add_user(who.name.lower(), global_name=who.name, admin=who is YOU) for who in (MIA, LEO, YOU)
    }
    general = SlackPlace(slack, slack.add_channel("general"), in_slack)
    direct = SlackPlace(slack, slack.open_dm(in_slack[BEN.name]), in_slack)
    studio = DiscordPlace(discord, discord.add_channel("studio"), in_discord)
    yours = (
        general,
        SlackPlace(slack, slack.open_dm(in_slack[YOU.name]), in_slack),
        studio,
        DiscordPlace(discord, discord.open_dm(in_discord[YOU.name]), in_discord),
    )
    return Cast(general, direct, studio, yours)
