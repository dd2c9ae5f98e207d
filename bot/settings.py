"""Settings from the environment, `.env` and secret files, typed and checked; and the one list of what is wrong.

Each field's description is what README's table and `.env.example` say of it. Nothing here opens a connection.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from bot.errors import Problem, SettingsInvalid

DEFAULT_SYSTEM_MESSAGE = (
    "You are Parley, a helpful colleague in a team's chat. Answer in the language you are asked in. "
    "Be brief and concrete; use Markdown where it helps. When you don't know, say so."
)

_WHERE = {
    "SLACK_BOT_TOKEN": "api.slack.com/apps → your app → OAuth & Permissions → Bot User OAuth Token (xoxb-…)",
    "SLACK_APP_TOKEN": "api.slack.com/apps → your app → Basic Information → App-Level Tokens "
    "(xapp-…, scope connections:write)",
    "DISCORD_BOT_TOKEN": "discord.com/developers/applications → your app → Bot → Reset Token",
    "OPENAI_API_KEY": "platform.openai.com/api-keys, or the key of the service that OPENAI_BASE_URL names",
}

# What is wrong with a value, by pydantic's name for it, in words for the person who set it.
_SAID = {
    "float_parsing": "it must be a number",
    "int_parsing": "it must be a whole number",
    "int_from_float": "it must be a whole number",
    "greater_than": "it must be more than {gt:g}",
    "greater_than_equal": "it must be at least {ge:g}",
    "less_than_equal": "it must be at most {le:g}",
    "literal_error": "it must be one of {expected}",
    "string_too_short": "it can't be empty",
}


class Settings(BaseSettings):
    """Everything that can be set from outside. Secrets never show in a repr."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True, frozen=True
    )

    slack_bot_token: SecretStr | None = Field(
        None, description="Slack's bot token, `xoxb-…`; with the app token it turns Slack on."
    )
    slack_app_token: SecretStr | None = Field(None, description="Slack's app-level token, `xapp-…`, for Socket Mode.")
    slack_api_url: str = Field("https://slack.com/api/", description="Where Slack's Web API is.")
    discord_bot_token: SecretStr | None = Field(None, description="Discord's bot token; it turns Discord on.")
    discord_api_url: str = Field(
        "https://discord.com/api/v10", description="Where Discord's REST API is; its gateway is asked from there."
    )

    openai_api_key: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="The model's key; several, separated by commas, are used in turn."
    )
    openai_base_url: str | None = Field(
        None, description="An OpenAI-compatible service instead of OpenAI: Ollama, vLLM, OpenRouter, Azure."
    )
    openai_model: str = Field("gpt-5.4-mini", min_length=1, description="The model that answers.")
    openai_temperature: float | None = Field(
        None, ge=0, le=2, description="0 to 2; unset is the model's own default. Reasoning models take none."
    )
    openai_max_output_tokens: int = Field(4096, ge=16, le=200_000, description="The longest answer, in tokens.")

    database_url: str = Field(
        "sqlite:///data/parley.db",
        description="Where the conversations are kept: a file on a disk that outlives a restart.",
    )

    parley_system_message: str = Field(
        DEFAULT_SYSTEM_MESSAGE,
        min_length=1,
        description="What the model is told before each conversation, unless a channel sets its own.",
    )
    parley_history_tokens: int = Field(
        16_000, ge=500, le=1_000_000, description="How many tokens of a conversation the model reads at most."
    )
    parley_history_messages: int = Field(
        200,
        ge=1,
        le=1_000,
        description="How many earlier messages are read from the platform when the bot is called into a thread.",
    )
    parley_concurrency: int = Field(
        64, ge=1, le=1_000, description="How many conversations are answered at the same time."
    )
    parley_openai_first_token_timeout: float = Field(
        120.0, gt=0, le=3_600, description="Seconds a model may think before its first word."
    )
    parley_openai_idle_timeout: float = Field(
        30.0, gt=0, le=3_600, description="Seconds without a token before a stream counts as stalled."
    )
    parley_openai_patience: float = Field(
        60.0, gt=0, le=3_600, description="Seconds a question is tried again while the model is failing."
    )
    parley_shutdown_grace: float = Field(
        25.0, ge=0, le=3_600, description="Seconds running answers may take to finish when the host stops the bot."
    )
    parley_lease_seconds: float = Field(
        10.0, ge=1, le=600, description="Seconds after which another worker takes over the turns of one that died."
    )
    parley_platform_limits: Literal["published", "none"] = Field(
        "published",
        description="`published`: sends are planned within the platforms' limits; `none`: only obeyed when refused.",
    )
    parley_admins: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(), description="User ids, separated by commas, that may change settings everywhere."
    )
    parley_log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much is logged.")
    parley_log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="`auto`: for people on a terminal, JSON lines elsewhere."
    )
    parley_secrets_dir: str | None = Field(
        None, description="A folder with one file per secret, named like its variable."
    )

    @field_validator("openai_api_key", mode="before")
    @classmethod
    def _several_keys(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("parley_admins", mode="before")
    @classmethod
    def _several_ids(cls, value: Any) -> Any:
        return frozenset(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("slack_api_url", "discord_api_url", "openai_base_url")
    @classmethod
    def _web_address(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("it must begin with https:// or http://")
        return f"{value.rstrip('/')}/" if value and info.field_name == "slack_api_url" else value and value.rstrip("/")

    @field_validator("slack_bot_token", "slack_app_token")
    @classmethod
    def _slack_token(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        # A rotated bot token is an ordinary one behind "xoxe.".
        prefixes = ("xoxb-", "xoxe.xoxb-") if info.field_name == "slack_bot_token" else ("xapp-",)
        if value is not None and not value.get_secret_value().startswith(prefixes):
            raise ValueError(f"it does not begin with {prefixes[0]}")
        return value

    @field_validator("slack_bot_token", "slack_app_token", "discord_bot_token")
    @classmethod
    def _one_line(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and value.get_secret_value() != "".join(value.get_secret_value().split()):
            raise ValueError("there is white space in it")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """A process's environment goes before `.env`, and both before secret files."""
        return init_settings, env_settings, dotenv_settings, file_secret_settings

    @property
    def serves_slack(self) -> bool:
        """Whether both of Slack's tokens are there."""
        return self.slack_bot_token is not None and self.slack_app_token is not None

    @property
    def serves_discord(self) -> bool:
        """Whether Discord's token is there."""
        return self.discord_bot_token is not None


def load() -> Settings:
    """The settings of this process. Raises `SettingsInvalid` with everything that is wrong, at once."""
    settings, problems = read()
    if problems:
        raise SettingsInvalid(problems)
    return settings


def read() -> tuple[Settings, list[Problem]]:
    """The settings as far as they can be read, the malformed ones at their defaults, and what is wrong with them."""
    problems: list[Problem] = []
    secrets_dir = os.environ.get("PARLEY_SECRETS_DIR") or None
    if secrets_dir and not Path(secrets_dir).is_dir():
        wrong = f"there is no folder {secrets_dir}"
        problems.append(Problem("PARLEY_SECRETS_DIR", wrong, "Name an existing folder or unset it."))
        secrets_dir = None
    malformed: dict[str, Any] = {}
    try:
        settings = Settings(_secrets_dir=secrets_dir)  # type: ignore[call-arg]
    except ValidationError as error:
        for entry in error.errors(include_url=False):
            problems.append(_problem(dict(entry)))
            name = str(entry["loc"][0])
            malformed[name] = Settings.model_fields[name].default
        settings = Settings(_secrets_dir=secrets_dir, **malformed)  # type: ignore[call-arg]
    return settings, problems + [p for p in _missing(settings) if p.variable.lower() not in malformed]


def _problem(entry: dict[str, Any]) -> Problem:
    variable = str(entry["loc"][0]).upper() if entry["loc"] else "settings"
    field = Settings.model_fields.get(variable.lower())
    template = _SAID.get(entry["type"], str(entry["msg"]).removeprefix("Value error, "))
    wrong = template.format(**entry.get("ctx", {}))
    shows = not (variable in _WHERE or "input" not in entry)
    given = f" (it is {entry['input']!r})" if shows else ""
    cure = _WHERE.get(variable) or (field.description if field and field.description else "")
    return Problem(variable, f"{wrong[:1].lower()}{wrong[1:]}{given}", cure)


def _missing(settings: Settings) -> list[Problem]:
    problems = []
    if settings.slack_bot_token and not settings.slack_app_token:
        problems.append(Problem("SLACK_APP_TOKEN", "missing, while SLACK_BOT_TOKEN is set", _WHERE["SLACK_APP_TOKEN"]))
    if settings.slack_app_token and not settings.slack_bot_token:
        problems.append(Problem("SLACK_BOT_TOKEN", "missing, while SLACK_APP_TOKEN is set", _WHERE["SLACK_BOT_TOKEN"]))
    if not (settings.slack_bot_token or settings.slack_app_token or settings.discord_bot_token):
        problems += [
            Problem(
                "SLACK_BOT_TOKEN",
                "missing: no platform is set up (for Slack, with SLACK_APP_TOKEN)",
                _WHERE["SLACK_BOT_TOKEN"],
            ),
            Problem(
                "SLACK_APP_TOKEN",
                "missing: no platform is set up (for Slack, with SLACK_BOT_TOKEN)",
                _WHERE["SLACK_APP_TOKEN"],
            ),
            Problem(
                "DISCORD_BOT_TOKEN",
                "missing: no platform is set up (or for Discord, this one)",
                _WHERE["DISCORD_BOT_TOKEN"],
            ),
        ]
    if not settings.openai_api_key:
        problems.append(Problem("OPENAI_API_KEY", "missing", _WHERE["OPENAI_API_KEY"]))
    return problems
