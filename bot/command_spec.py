"""Which subcommands `/parley` has, as data that an adapter can register with its platform.

What they do lives in the core's commands; how a platform shows them lives in each adapter.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CommandOption:
    """One argument of a subcommand, as text. `name` is lower case, 1–32 characters; `description` 1–100."""

    name: str
    description: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """One subcommand; its options in the order in which `CommandInvoked.arguments` carries them."""

    name: str
    description: str
    options: tuple[CommandOption, ...] = ()
