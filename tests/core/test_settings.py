"""The settings: read from everywhere, and one readable list of what is wrong."""

from pathlib import Path

import pytest

from bot import settings
from bot.errors import SettingsInvalid

GOOD = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1", "OPENAI_API_KEY": "sk-a, sk-b"}


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in settings.Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def wrong() -> dict[str, str]:
    with pytest.raises(SettingsInvalid) as caught:
        settings.load()
    return {p.variable: p.wrong for p in caught.value.problems}


def test_keys_and_admins_may_be_several(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, **GOOD, PARLEY_ADMINS="U1, 22,")
    loaded = settings.load()
    assert [key.get_secret_value() for key in loaded.openai_api_key] == ["sk-a", "sk-b"]
    assert loaded.parley_admins == {"U1", "22"}
    assert loaded.serves_slack and not loaded.serves_discord


def test_no_secret_shows_in_the_settings_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, **GOOD)
    assert "xoxb-1" not in repr(settings.load())
    assert "sk-a" not in repr(settings.load())


def test_everything_missing_is_said_at_once_with_where_to_get_it() -> None:
    with pytest.raises(SettingsInvalid) as caught:
        settings.load()
    problems = {p.variable: p for p in caught.value.problems}
    assert set(problems) == {"SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "DISCORD_BOT_TOKEN", "OPENAI_API_KEY"}
    assert all(p.cure for p in problems.values())


def test_half_of_slacks_tokens_names_the_other_half(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, SLACK_BOT_TOKEN="xoxb-1", OPENAI_API_KEY="k")
    assert set(wrong()) == {"SLACK_APP_TOKEN"}
    monkeypatch.delenv("SLACK_BOT_TOKEN")
    put(monkeypatch, SLACK_APP_TOKEN="xapp-1", DISCORD_BOT_TOKEN="d")
    assert set(wrong()) == {"SLACK_BOT_TOKEN"}


def test_malformed_and_missing_are_one_list(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, SLACK_BOT_TOKEN="xapp-swapped", SLACK_APP_TOKEN="xoxb-swapped", OPENAI_TEMPERATURE="9")
    found = wrong()
    assert set(found) == {
        "SLACK_BOT_TOKEN",
        "SLACK_APP_TOKEN",
        "DISCORD_BOT_TOKEN",
        "OPENAI_API_KEY",
        "OPENAI_TEMPERATURE",
    }
    assert "9" in found["OPENAI_TEMPERATURE"]


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("OPENAI_TEMPERATURE", "warm", "it must be a number (it is 'warm')"),
        ("OPENAI_TEMPERATURE", "2.5", "it must be at most 2"),
        ("PARLEY_CONCURRENCY", "many", "it must be a whole number"),
        ("PARLEY_CONCURRENCY", "0", "it must be at least 1"),
        ("PARLEY_OPENAI_IDLE_TIMEOUT", "0", "it must be more than 0"),
        ("PARLEY_PLATFORM_LIMITS", "some", "it must be one of 'published' or 'none'"),
    ],
)
def test_a_wrong_value_is_told_in_plain_words(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    put(monkeypatch, **GOOD, **{variable: value})
    assert said in wrong()[variable]


def test_a_malformed_secret_is_never_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, **GOOD, DISCORD_BOT_TOKEN="secret with spaces")
    assert "secret" not in str(wrong())


def test_addresses_are_taken_with_and_without_the_last_slash(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, **GOOD, SLACK_API_URL="http://127.0.0.1:1/api", DISCORD_API_URL="http://127.0.0.1:1/api/v10/")
    loaded = settings.load()
    assert loaded.slack_api_url == "http://127.0.0.1:1/api/"
    assert loaded.discord_api_url == "http://127.0.0.1:1/api/v10"
    put(monkeypatch, OPENAI_BASE_URL="localhost:11434/v1")
    assert set(wrong()) == {"OPENAI_BASE_URL"}


def test_the_environment_goes_before_dotenv_and_dotenv_before_secret_files(
    monkeypatch: pytest.MonkeyPatch, bare: Path
) -> None:
    secrets = bare / "secrets"
    secrets.mkdir()
    (secrets / "openai_api_key").write_text("from-file\n")
    (secrets / "openai_model").write_text("from-file")
    (secrets / "slack_app_token").write_text("xapp-file\n")
    (bare / ".env").write_text("OPENAI_MODEL=from-dotenv\nSLACK_BOT_TOKEN=xoxb-dotenv\n")
    put(monkeypatch, PARLEY_SECRETS_DIR=str(secrets), SLACK_BOT_TOKEN="xoxb-env")
    loaded = settings.load()
    assert [key.get_secret_value() for key in loaded.openai_api_key] == ["from-file"]
    assert loaded.openai_model == "from-dotenv"
    assert loaded.slack_bot_token and loaded.slack_bot_token.get_secret_value() == "xoxb-env"
    assert loaded.slack_app_token and loaded.slack_app_token.get_secret_value() == "xapp-file"


def test_a_secrets_folder_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, **GOOD, PARLEY_SECRETS_DIR="/nowhere/at/all")
    assert set(wrong()) == {"PARLEY_SECRETS_DIR"}


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, **GOOD, OPENAI_TEMPERATURE="", OPENAI_MODEL="")
    assert settings.load().openai_model == settings.Settings.model_fields["openai_model"].default


def test_every_setting_is_described() -> None:
    assert all(field.description for field in settings.Settings.model_fields.values())
