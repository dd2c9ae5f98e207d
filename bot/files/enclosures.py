"""What came with a conversation's messages, as a turn needs it: texts in the history, pictures, what is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bot.adapter import Adapter
from bot.backend import tokens
from bot.backend.completion import Picture
from bot.controls.effective import Effective
from bot.files.kinds import PICTURES
from bot.files.left_out import LeftOut, line, note
from bot.files.reading import FileReader, Tokens
from bot.files.told import told
from bot.messages import FileText
from bot.pictures import Pictures
from storage.inbox import Inbox
from storage.records import Claim, StoredMessage

FILES_OFF = "files are not read here: the setting `files` is off"
VISION_OFF = "pictures are not shown to the model here: the setting `vision` is off"


@dataclass(frozen=True, slots=True)
class Seen:
    """The history with the files' texts; pictures by their message's id, a text where one isn't shown; and a line for
    the asker on what the model does not see of what came with the question itself."""

    history: Sequence[StoredMessage]
    pictures: Mapping[int, Sequence[Picture | str]] = field(default_factory=dict)
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class Enclosures:
    """Reads what came with messages: files as text, pictures as such."""

    inbox: Inbox
    reader: FileReader
    pictures: Pictures

    async def of(self, adapter: Adapter, claim: Claim, history: Sequence[StoredMessage], controls: Effective) -> Seen:
        """What a turn sees of what came with its conversation. Raises `StorageFailed`."""
        if not any(message.attachments for message in history):
            return Seen(history)
        if controls.files or controls.vision:
            history = await told(adapter, self.inbox, history)
        if controls.files:
            model = controls.model
            counted = Tokens(
                controls.history_tokens,
                lambda text: tokens.count(text, model),
                lambda text, most: tokens.truncate(text, most, model),
            )
            history = await self.reader.read(adapter, claim.address, history, counted)
        else:
            history = [_unread(message) for message in history]
        if controls.vision:
            shown = await self.pictures.of(adapter, claim.address, history)
        else:
            shown = {message.id: _unshown(message) for message in history}
        own = [message for message in history if message.turn_id == claim.turn_id]
        return Seen(
            history,
            {
                message_id: [note(each) if isinstance(each, LeftOut) else each for each in found]
                for message_id, found in shown.items()
            },
            line([each for message in own for each in _left_out(message, shown.get(message.id, ()))]),
        )


def _left_out(message: StoredMessage, pictures: Sequence[Picture | LeftOut]) -> list[LeftOut]:
    files = [LeftOut(file.name, file.left_out or file.cut) for file in message.files or () if file.left_out or file.cut]
    return [*files, *(each for each in pictures if isinstance(each, LeftOut))]


def _unread(message: StoredMessage) -> StoredMessage:
    """A message where files are not read, whatever was read of it before."""
    texts = (FileText(a.name, left_out="" if a.media_type in PICTURES else FILES_OFF) for a in message.attachments)
    return message._replace(files=tuple(texts))


def _unshown(message: StoredMessage) -> Sequence[Picture | LeftOut]:
    return [LeftOut(a.name, VISION_OFF) for a in message.attachments if a.media_type in PICTURES]
