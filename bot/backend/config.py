"""The backend's settings: addresses, keys and patience. Reading them from the environment is not done here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class BackendConfig:
    """How to reach the model and how long to try. All times are seconds.

    `keys` are the host's own; `named` the rings of keys that teams may name, each by its name.
    `first_token_timeout`: silence allowed before the first token (a reasoning model thinks, and OpenAI sends nothing
    meanwhile); doubled for the second attempt, and so on. `idle_timeout`: silence allowed after that.
    `retry_for`: patience with transient failures, counted from the first one on. `wait_out`: waits that a provider
    names (Retry-After) are waited out beside that, as long as they come to no more than this for one question.
    `restarts`: how often an answer that broke off after some of it was shown is begun again.
    `concurrency`: calls at once, over all keys; a safety net beneath the engine's own bound on conversations.
    """

    keys: tuple[SecretStr | str, ...]
    base_url: str | None = None
    _: KW_ONLY
    named: Mapping[str, tuple[SecretStr | str, ...]] = field(default_factory=dict)
    connect_timeout: float = 10.0
    first_token_timeout: float = 60.0
    idle_timeout: float = 30.0
    retry_for: float = 60.0
    wait_out: float = 120.0
    retry_base: float = 0.5
    retry_cap: float = 20.0
    restarts: int = 2
    concurrency: int = 128
    breaker_threshold: int = 5
    breaker_open_for: float = 15.0
    breaker_open_cap: float = 120.0

    def __post_init__(self) -> None:
        """Raises ValueError without a key."""
        if not self.keys:
            raise ValueError("the backend needs a key")
        object.__setattr__(self, "keys", _hidden(self.keys))
        object.__setattr__(self, "named", {name: _hidden(keys) for name, keys in self.named.items()})


def _hidden(keys: tuple[SecretStr | str, ...]) -> tuple[SecretStr, ...]:
    return tuple(key if isinstance(key, SecretStr) else SecretStr(key) for key in keys)
