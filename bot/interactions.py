"""What passes between the core and a platform's commands, forms and pages: plain data, the same for every platform.

Which subcommands there are and what they do is the core's business; how they look, an adapter's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bot.messages import Address, Author


@dataclass(frozen=True, slots=True)
class CommandOption:
    """One argument of a subcommand, as text. `name` is lower case, 1–32 characters; `description` 1–100.

    `choices` are all that may be given; `suggests` says that what is typed can be completed: ask `Sink.complete`.
    """

    name: str
    description: str
    required: bool = True
    choices: tuple[str, ...] = ()
    suggests: bool = False


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """One subcommand; its options in the order in which `CommandInvoked.arguments` carries them.

    An option that was left out, where a later one was given, is the empty text there.
    """

    name: str
    description: str
    options: tuple[CommandOption, ...] = ()


@dataclass(frozen=True, slots=True)
class OutgoingFile:
    """A file to show: `description` says what is on it to who can't see it.

    `private`: it is for the one who asked, not for everybody in the channel.
    """

    name: str
    media_type: str
    data: bytes
    description: str
    private: bool = False


@dataclass(frozen=True, slots=True)
class FormField:
    """One input of a form. `value` is what stands in it at first, the empty text for nothing.

    `kind`: a line, several lines, or one of `choices`. `longest`: how many characters it takes.
    """

    name: str
    label: str
    kind: Literal["line", "lines", "choice"]
    value: str = ""
    hint: str = ""
    choices: tuple[str, ...] = ()
    longest: int = 3_000


@dataclass(frozen=True, slots=True)
class Form:
    """Something to fill in, about `address`. `name` tells the core which form comes back."""

    name: str
    title: str
    address: Address
    fields: tuple[FormField, ...]
    submit: str = "Save"


@dataclass(frozen=True, slots=True)
class FormSubmitted:
    """A form was filled in and sent: every field's text, empty where it was left so."""

    address: Address
    author: Author
    form: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CommandAnswer:
    """What a command comes to.

    `text`: Markdown for the eyes of the one who gave it. `file`: what is shown with it. `form`: to be opened in its
    stead, where the platform can (it may be too late for that); `text` is then what to say where it can't. `problems`:
    a form's fields that were not taken, and why: nothing was changed, and the form stays open.
    """

    text: str
    file: OutgoingFile | None = None
    form: Form | None = None
    problems: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HomeSection:
    """A part of somebody's page, as Markdown. `channel`: what it is about; `changes`: a button opens its form."""

    text: str
    channel: Address | None = None
    changes: bool = False


@dataclass(frozen=True, slots=True)
class HomePage:
    """A person's own page, its sections one below the other."""

    sections: tuple[HomeSection, ...]
