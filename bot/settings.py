"""The host's settings: every one with its type, its default and its checks. Reading them is `environment`'s.

Each field's description is what README's table and `.env.example` say of it. Nothing here opens a connection.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from bot.controls.table import TABLE
from bot.well_formed import wrong_with_address, wrong_with_secret

DEFAULT_SYSTEM_MESSAGE = (
    "You are Parley, a helpful colleague in a team's chat. Answer in the language you are asked in. "
    "Be brief and concrete; use Markdown where it helps. When you don't know, say so."
)

DOTENV = Path(".env")
_ADDRESS_LIKE = "write an address like https://example.com/v1 or http://localhost:11434/v1"


class _SecretFiles(SecretsSettingsSource):
    """Secret files, passing over the ones that can't be read: `environment.read` says which and why."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        try:
            return super().get_field_value(field, field_name)
        except (UnicodeDecodeError, OSError):
            return None, field_name, False


class Settings(BaseSettings):
    """Everything that can be set from outside. Secrets never show in a repr."""

    model_config = SettingsConfigDict(
        env_file=DOTENV, env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True, frozen=True
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
    openai_model: str = Field("gpt-5.4-mini", description="The model that answers.")
    openai_temperature: float | None = Field(
        None, description="0 to 2; unset is the model's own default. Reasoning models take none."
    )
    openai_max_output_tokens: int = Field(4096, description="The longest answer, in tokens.")
    openai_reasoning_effort: str | None = Field(
        None, description="How long a reasoning model thinks: none, minimal, low, medium, high, xhigh."
    )

    database_url: str = Field(
        "sqlite:///data/parley.db",
        description="Where the conversations are kept: a file on a disk that outlives a restart.",
    )

    parley_system_message: str = Field(
        DEFAULT_SYSTEM_MESSAGE,
        description="What the model is told before each conversation, unless a channel sets its own.",
    )
    parley_history_tokens: int = Field(16_000, description="How many tokens of a conversation the model reads at most.")
    parley_history_messages: int = Field(
        200,
        description="How many earlier messages are read from the platform when the bot is called into a thread.",
    )
    parley_channel_messages: int = Field(
        5,
        description="How many of a channel's last messages are taken along when a mention begins a conversation; "
        "0 is none.",
    )
    parley_channel_minutes: float = Field(
        10.0, gt=0, le=1_440, description="How many minutes old such a message may be at most."
    )
    parley_summaries: bool = Field(
        True, description="Whether what a long conversation leaves behind is summed up for the model."
    )
    parley_summary_model: str | None = Field(None, description="The model that sums up; unset is the one that answers.")
    parley_reply_mode: str = Field(
        "thread",
        description="What is answered in a channel: `mention` alone, `thread`: also what follows in its threads, "
        "or `all`.",
    )
    parley_reply_in: str = Field(
        "auto",
        description="Where a mention is answered: `thread`, `channel`, or `auto`: in a thread on Slack, as a reply on "
        "Discord.",
    )
    parley_streaming: bool = Field(True, description="Whether an answer shows while it grows.")
    parley_buttons: bool = Field(
        True, description="Whether buttons stand under the answers: stop, regenerate, continue, 👍, 👎."
    )
    parley_language: str | None = Field(None, description="The language of the answers; unset is the question's.")
    parley_vision: bool = Field(True, description="Whether the model sees images that are attached.")
    parley_files: bool = Field(True, description="Whether the model reads files that are attached.")
    parley_files_megabytes: float = Field(
        20.0, gt=0, le=100, description="The largest file that is read, in MB; pictures too."
    )
    parley_files_per_message: int = Field(
        5, ge=1, le=50, description="How many files of one message are read, pictures among them."
    )
    parley_files_characters: int = Field(
        50_000,
        ge=100,
        le=2_000_000,
        description="How much of a file the model reads, in characters; of one message's files together at most 40 % "
        "of the history's tokens.",
    )
    parley_files_types: Annotated[frozenset[str] | None, NoDecode] = Field(
        None,
        description="The kinds of files that alone are read: `images`, `text`, `csv`, `pdf`, `docx`, `xlsx`, or "
        "extensions (`py`, `png`).",
    )
    parley_files_seconds: float = Field(
        20.0, gt=0, le=300, description="Seconds that opening one file may take; it has its own process for that."
    )
    parley_max_messages: int = Field(
        12, description="The most messages an answer takes; what is longer comes as a file, after so many."
    )
    parley_rights: str = Field("admins", description="Who may change the settings in chat: `admins` or `everyone`.")
    parley_admins: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(),
        description="User ids, separated by commas, that may change settings everywhere and are told of trouble.",
    )
    parley_direct_messages: bool = Field(
        True,
        description="Whether direct messages are answered. On Discord they belong to no server, so that no server's "
        "lists and budgets hold there.",
    )
    parley_allow_users: Annotated[frozenset[str] | None, NoDecode] = Field(
        None, description="User ids, separated by commas, that alone may ask."
    )
    parley_block_users: Annotated[frozenset[str] | None, NoDecode] = Field(
        None, description="User ids that are not answered."
    )
    parley_allow_roles: Annotated[frozenset[str] | None, NoDecode] = Field(
        None, description="Roles that alone may ask: Discord's ids; on Slack owner, admin, member, guest."
    )
    parley_block_roles: Annotated[frozenset[str] | None, NoDecode] = Field(
        None, description="Roles that are not answered."
    )
    parley_allow_channels: Annotated[frozenset[str] | None, NoDecode] = Field(
        None, description="Channel ids in which alone questions are answered."
    )
    parley_block_channels: Annotated[frozenset[str] | None, NoDecode] = Field(
        None, description="Channel ids in which none are answered."
    )
    parley_user_messages_per_minute: int = Field(
        60, ge=0, le=100_000, description="How many questions a minute one person may ask; 0 is no limit."
    )
    parley_thread_messages_per_minute: int = Field(
        20,
        ge=0,
        le=100_000,
        description="How many questions a minute one thread or chain of replies may ask, which programs could keep up "
        "under people's names; 0 is no limit.",
    )
    parley_channel_messages_per_minute: int = Field(
        600, ge=0, le=100_000, description="How many questions a minute one channel may ask; 0 is no limit."
    )
    parley_workspace_messages_per_minute: int = Field(
        3_000, ge=0, le=1_000_000, description="How many questions a minute one workspace may ask; 0 is no limit."
    )
    parley_admins_exempt: bool = Field(False, description="Whether these limits leave admins alone.")
    parley_monthly_budget_usd: int | None = Field(
        None, description="What all answers of a calendar month (UTC) may cost together, in US dollars."
    )
    parley_user_monthly_budget_usd: int | None = Field(
        None, description="What one person's answers of a month may cost, in US dollars."
    )
    parley_price: Annotated[tuple[Decimal, Decimal, Decimal] | None, NoDecode] = Field(
        None,
        description="What a model costs whose price isn't known: dollars per million tokens, IN/OUT or IN/CACHED/OUT.",
    )
    parley_key: str | None = Field(
        None,
        description="The secret with the key for all who name none: `research` is `OPENAI_API_KEY_RESEARCH`.",
    )
    parley_retention_days: float = Field(
        0.0, ge=0, le=36_500, description="After how many days what was said is forgotten; 0 is never."
    )
    parley_catch_up_hours: float = Field(
        24.0,
        ge=0,
        le=720,
        description="How many hours back questions are read and answered late that were asked while the bot was away; "
        "0 turns that off.",
    )
    parley_catch_up_messages: int = Field(
        200, ge=1, le=1_000, description="How many messages of each channel and thread are read for that at most."
    )
    parley_concurrency: int = Field(
        128, ge=1, le=1_000, description="How many conversations are answered at the same time."
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
    parley_slack_streams: bool = Field(
        True, description="Answers on Slack grow by Slack's own streams while there is room for them, else by edits."
    )
    parley_health_file: str | None = Field(
        None, description="Where the worker writes how it is, for `parley health`; unset, that is beside the database."
    )
    parley_health_seconds: float = Field(
        5.0, ge=0.1, le=60, description="Seconds between two writings of it; after five without one it counts as hung."
    )
    parley_log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much is logged.")
    parley_log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="`auto`: for people on a terminal, JSON lines elsewhere."
    )
    parley_secrets_dir: str | None = Field(
        None,
        description="A folder with one file per secret, named like its variable. Changed keys are taken up at once.",
    )

    @field_validator("openai_api_key", mode="before")
    @classmethod
    def _several_keys(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator(*(control.field for control in TABLE), mode="before")
    @classmethod
    def _as_in_the_table(cls, value: Any, info: ValidationInfo) -> Any:
        """What a team can set too is read as it is read from them."""
        if not isinstance(value, str):
            return value
        return next(control.kind.read(value) for control in TABLE if control.field == info.field_name)

    @field_validator("parley_platform_limits", "parley_log_level", "parley_log_format", mode="before")
    @classmethod
    def _any_case(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @field_validator("parley_admins", mode="before")
    @classmethod
    def _several_ids(cls, value: Any) -> Any:
        return frozenset(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("parley_files_types", mode="before")
    @classmethod
    def _several_types(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return frozenset(part.strip().lstrip(".").lower() for part in value.split(",") if part.strip())

    @field_validator("slack_api_url", "discord_api_url", "openai_base_url")
    @classmethod
    def _web_address(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and (wrong := wrong_with_address(value)):
            raise ValueError(f"{wrong}; {_ADDRESS_LIKE}")
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
    def _whole_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and (wrong := wrong_with_secret(value.get_secret_value())):
            raise ValueError(wrong)
        return value

    @field_validator("openai_api_key")
    @classmethod
    def _whole_keys(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for number, key in enumerate(value, start=1):
            if wrong := wrong_with_secret(key.get_secret_value()):
                raise ValueError(f"key {number} of {len(value)}: {wrong}" if len(value) > 1 else wrong)
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
        if isinstance(file_secret_settings, SecretsSettingsSource):
            file_secret_settings = _SecretFiles(settings_cls, secrets_dir=file_secret_settings.secrets_dir)
        return init_settings, env_settings, dotenv_settings, file_secret_settings
