"""Whether the host has the secret that a team names for its key. The secret itself is never given in a chat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.controls.effective import Effective
from bot.controls.table import Control
from bot.host_keys import variable_of
from bot.messages import Address


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """A `Check` of the setting `key`; `names` are the secrets that there are now."""

    names: Callable[[], Sequence[str]]

    async def __call__(self, control: Control, after: Effective, address: Address) -> str:
        """Why the secret can't be named, empty where it can."""
        names = self.names()
        if control.name != "key" or after.key is None or after.key in names:
            return ""
        if not names:
            return f"the host keeps no secrets for me; whoever runs me can add `{variable_of('name')}`, for example"
        known = " and ".join(filter(None, [", ".join(f"`{n}`" for n in names[:-1]), f"`{names[-1]}`"]))
        return f"the host keeps no secret called `{after.key}` for me; I know {known}"
