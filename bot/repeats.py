"""Messages that have their turn already, as far as this process remembers: told of again, they are looked for nowhere.

Slack tells of each mention twice, as a mention and as a message, and of some things a third time. What is forgotten
here is found in the store.
"""

from __future__ import annotations

from collections import OrderedDict

from bot.messages import IncomingMessage

MOST_REMEMBERED = 1_024

_Key = tuple[str, str, str, str]


class Repeats:
    """The messages that were taken in last and are to be answered, or were."""

    def __init__(self) -> None:
        self._known: OrderedDict[_Key, None] = OrderedDict()

    def has(self, message: IncomingMessage) -> bool:
        """Whether a message tells nothing new."""
        return is_mere(message) and _key(message) in self._known

    def add(self, message: IncomingMessage) -> None:
        """A message has its turn."""
        self._known[_key(message)] = None
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)


def is_mere(message: IncomingMessage) -> bool:
    """Whether a message tells nothing new where one of its name is known. An edit may, and so may files, which one of
    two events can lack."""
    return not message.edited and not message.attachments


def _key(message: IncomingMessage) -> _Key:
    address = message.address
    return address.platform, address.workspace, address.channel, message.id
