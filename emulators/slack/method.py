"""What one Web API method is: name, arguments, tier, scope and handler; the modules of methods fill tables of these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulators.slack.model import Json

if TYPE_CHECKING:
    from emulators.slack.core import Core

Handler = Callable[["Core", Json], Json]


@dataclass(frozen=True, slots=True)
class Method:
    """A method of the Web API; the handler gets checked arguments and returns the answer without `ok`.

    `scope` is required before the handler runs; scopes that hang on the conversation's kind are the handler's matter.
    """

    name: str
    arguments: Mapping[str, str]
    handler: Handler
    tier: str
    scope: str | None = None
    json_input: bool = True
    app_level: bool = False
