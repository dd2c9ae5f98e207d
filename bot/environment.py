"""The settings of this process, read from its environment, `.env` and secret files, with the one list of what is wrong.

What there is to set, and what each may be, stands in `settings.py`.
"""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import ValidationError

from bot import crash, host_keys
from bot.errors import Problem, SettingsInvalid
from bot.settings import DOTENV, Settings

_OURS = "PARLEY_"
_SAVE_AS_UTF8 = "Save it again as plain text in UTF-8; an editor's “Save as” offers the encoding."
_LET_READ = "Let the user that runs the bot read it."

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


def load() -> Settings:
    """The settings of this process. Raises `SettingsInvalid` with everything that is wrong, at once."""
    settings, problems = read()
    if problems:
        raise SettingsInvalid(problems)
    return settings


def read() -> tuple[Settings, list[Problem]]:
    """The settings as far as they can be read, the malformed ones at their defaults, and what is wrong with them."""
    problems: list[Problem] = []
    in_file: dict[str, str] = {}
    readable = True
    try:
        in_file = _in_dotenv()
    except (UnicodeDecodeError, OSError) as error:
        readable = False
        problems.append(_unreadable(DOTENV, error))
    secrets_dir, unread = _secret_files(in_file, problems)
    sources: dict[str, Any] = {"_env_file": DOTENV if readable else None, "_secrets_dir": secrets_dir}
    malformed: dict[str, Any] = {}
    try:
        settings = Settings(**sources)
    except ValidationError as error:
        for entry in error.errors(include_url=False):
            problems.append(_problem(dict(entry)))
            name = str(entry["loc"][0])
            malformed[name] = Settings.model_fields[name].default
        settings = Settings(**sources, **malformed)
    keys = host_keys.gather(in_file, secrets_dir)
    for ring, wrong in keys.wrong.items():
        problems.append(Problem(host_keys.variable_of(ring), wrong, _WHERE["OPENAI_API_KEY"]))
    if settings.parley_key and settings.parley_key not in {*keys.named, *keys.wrong}:
        given = host_keys.variable_of(settings.parley_key)
        cure = f"Set {given}, a file {given.lower()} in PARLEY_SECRETS_DIR, or another name."
        problems.append(Problem("PARLEY_KEY", "it names a secret that isn't there", cure))
    if readable:  # else nobody knows what is missing: it may stand in there
        problems += [p for p in _missing(settings) if p.variable.lower() not in {*malformed, *unread}]
    return settings, problems


def unknown_variables() -> list[tuple[str, str]]:
    """Variables of the environment and `.env` that are named like a setting of Parley and are none.

    Each with the setting its name is nearest to, or "" where none is near. A `.env` that can't be read has none:
    `read` says that it can't.
    """
    try:
        in_file = _in_dotenv()
    except (UnicodeDecodeError, OSError):
        in_file = {}
    known = [*(name.upper() for name in Settings.model_fields), crash.VARIABLE]
    given = {name.upper() for name in (*os.environ, *in_file)}
    strange = sorted(name for name in given if name.startswith(_OURS) and name not in known)
    return [(name, next(iter(get_close_matches(name, known, n=1, cutoff=0.75)), "")) for name in strange]


def keys_of_host(settings: Settings) -> host_keys.HostKeys:
    """The named keys of this process, as far as they can be read."""
    try:
        in_file = _in_dotenv()
    except (UnicodeDecodeError, OSError):
        in_file = {}
    return host_keys.gather(in_file, settings.parley_secrets_dir)


def _in_dotenv() -> dict[str, str]:
    """What `.env` sets, names in lower case. Raises UnicodeDecodeError and OSError."""
    if not DOTENV.is_file():
        return {}
    return {name.lower(): value for name, value in dotenv_values(DOTENV, encoding="utf-8").items() if value}


def _secret_files(in_file: dict[str, str], problems: list[Problem]) -> tuple[str | None, set[str]]:
    """The folder of the secret files, if there is one, and the settings whose file in it can't be read."""
    in_environment = {name.lower(): value for name, value in os.environ.items() if value}
    folder = {**in_file, **in_environment}.get("parley_secrets_dir")
    if not folder:
        return None, set()
    try:
        files = sorted(Path(folder).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        wrong = f"there is no folder {folder}"
        problems.append(Problem("PARLEY_SECRETS_DIR", wrong, "Name an existing folder or unset it."))
        return None, set()
    except OSError as error:
        problems.append(Problem("PARLEY_SECRETS_DIR", f"{folder} can't be read: {error.strerror}", _LET_READ))
        return None, set()
    unread = set()
    for path in files:
        if path.name.lower() in Settings.model_fields and (problem := _wrong_with_file(path)):
            problems.append(problem)
            unread.add(path.name.lower())
    return folder, unread


def _wrong_with_file(path: Path) -> Problem | None:
    try:
        if path.is_file():
            path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError) as error:
        return _unreadable(path, error)
    return None


def _unreadable(path: Path, error: UnicodeDecodeError | OSError) -> Problem:
    if isinstance(error, OSError):
        return Problem(path.name, f"the file {path.absolute()} can't be read: {error.strerror}", _LET_READ)
    return Problem(path.name, f"the file {path.absolute()} is not UTF-8 text", _SAVE_AS_UTF8)


def _problem(entry: dict[str, Any]) -> Problem:
    variable = str(entry["loc"][0]).upper() if entry["loc"] else "settings"
    field = Settings.model_fields.get(variable.lower())
    template = _SAID.get(entry["type"], str(entry["msg"]).removeprefix("Value error, "))
    wrong = template.format(**entry.get("ctx", {}))
    # An address may hold a password before its "@".
    shows = "input" in entry and variable not in _WHERE and not (variable.endswith("_URL") and "@" in entry["input"])
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
