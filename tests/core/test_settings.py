"""The settings: read from everywhere, and one readable list of what is wrong."""

from pathlib import Path

import pytest

from bot import environment, settings
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
        environment.load()
    return {p.variable: p.wrong for p in caught.value.problems}


def test_keys_and_admins_may_be_several(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, **GOOD, PARLEY_ADMINS="U1, 22,")
    loaded = environment.load()
    assert [key.get_secret_value() for key in loaded.openai_api_key] == ["sk-a", "sk-b"]
    assert loaded.parley_admins == {"U1", "22"}


def test_no_secret_shows_in_the_settings_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, **GOOD)
    assert "xoxb-1" not in repr(environment.load())
    assert "sk-a" not in repr(environment.load())


def test_everything_missing_is_said_at_once_with_where_to_get_it() -> None:
    with pytest.raises(SettingsInvalid) as caught:
        environment.load()
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
        ("OPENAI_TEMPERATURE", "warm", "it must be a number from 0 to 2 (it is 'warm')"),
        ("OPENAI_TEMPERATURE", "2.5", "it must be a number from 0 to 2 (it is '2.5')"),
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
    loaded = environment.load()
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
    loaded = environment.load()
    assert [key.get_secret_value() for key in loaded.openai_api_key] == ["from-file"]
    assert loaded.openai_model == "from-dotenv"
    assert loaded.slack_bot_token and loaded.slack_bot_token.get_secret_value() == "xoxb-env"
    assert loaded.slack_app_token and loaded.slack_app_token.get_secret_value() == "xapp-file"


def test_a_secrets_folder_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, **GOOD, PARLEY_SECRETS_DIR="/nowhere/at/all")
    assert set(wrong()) == {"PARLEY_SECRETS_DIR"}


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, **GOOD, OPENAI_TEMPERATURE="", OPENAI_MODEL="")
    assert environment.load().openai_model == settings.Settings.model_fields["openai_model"].default


def test_every_setting_is_described() -> None:
    assert all(field.description for field in settings.Settings.model_fields.values())


def test_a_dotenv_that_is_not_utf8_is_said_instead_of_what_it_may_hold(bare: Path) -> None:
    (bare / ".env").write_bytes("OPENAI_MODEL=modèle\n".encode("latin-1"))
    with pytest.raises(SettingsInvalid) as caught:
        environment.load()
    (problem,) = caught.value.problems
    assert problem.variable == ".env"
    assert "not UTF-8" in problem.wrong and "UTF-8" in problem.cure


def test_a_secret_file_that_is_not_utf8_is_said_and_the_others_are_read(
    monkeypatch: pytest.MonkeyPatch, bare: Path
) -> None:
    (bare / "openai_api_key").write_bytes(b"sk-\xff\xfe")
    (bare / "slack_app_token").write_text("xapp-file")
    put(monkeypatch, PARLEY_SECRETS_DIR=str(bare), SLACK_BOT_TOKEN="xoxb-1", OPENAI_TEMPERATURE="9")
    found = wrong()
    assert set(found) == {"openai_api_key", "OPENAI_TEMPERATURE"}
    assert "not UTF-8" in found["openai_api_key"] and str(bare) in found["openai_api_key"]


@pytest.mark.parametrize("variable", ["SLACK_API_URL", "DISCORD_API_URL", "OPENAI_BASE_URL"])
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("http://[", "its host can't be read"),
        ("http://[::1]x/v1", "its host can't be read"),
        ("http://[nonsense]/v1", "its host can't be read"),
        ("https://<your-host>/v1", "its host can't be read"),
        ("https://a..b/v1", "its host can't be read"),
        ("https://exa mple.com", "there is white space in it"),
        ("https://example.com\n/v1", "there is white space in it"),
        ("http://localhost:port/v1", "its port must be a number"),
        ("http://localhost:65536/v1", "its port must be a number"),
        ("http://localhost:/v1", "its port must be a number"),
        ("http://", "it names no host"),
        ("https:///v1", "it names no host"),
        ("http://:8080/v1", "it names no host"),
        ("ftp://example.com", "it must begin with https:// or http://"),
        ("example.com/v1", "it must begin with https:// or http://"),
    ],
)
def test_an_address_that_is_none_is_told_with_an_example(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    put(monkeypatch, **GOOD, **{variable: value})
    found = wrong()
    assert set(found) == {variable}
    assert said in found[variable] and "like https://example.com/v1" in found[variable]


@pytest.mark.parametrize(
    "value",
    [
        "http://localhost:11434/v1",
        "http://[::1]:8080/v1",
        "https://my_model.internal/v1",
        "https://bücher.example/v1",
        "https://someone:word@example.com/v1",
        "HTTPS://example.com",
    ],
)
def test_an_address_of_any_ordinary_shape_is_taken(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    put(monkeypatch, **GOOD, OPENAI_BASE_URL=value)
    assert environment.load().openai_base_url == value


def test_a_password_in_a_malformed_address_is_never_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, **GOOD, OPENAI_BASE_URL="http://someone:word@localhost:port/v1")
    assert "word" not in wrong()["OPENAI_BASE_URL"]


@pytest.mark.parametrize("inside", ["“", "\n", " ", "\u00a0", "\u200b", "é", "\x07"])
@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "DISCORD_BOT_TOKEN"])
def test_a_secret_with_a_character_no_secret_has_is_said_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, variable: str, inside: str
) -> None:
    start = {"SLACK_BOT_TOKEN": "xoxb-", "SLACK_APP_TOKEN": "xapp-"}.get(variable, "sk-")
    put(monkeypatch, **{**GOOD, variable: f"{start}hush{inside}hush"})
    with pytest.raises(SettingsInvalid) as caught:
        environment.load()
    (problem,) = caught.value.problems
    assert problem.variable == variable
    assert "hush" not in str(problem)


def test_the_wrong_one_of_several_keys_is_told_by_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, **{**GOOD, "OPENAI_API_KEY": "sk-good,“sk-hush”"})
    found = wrong()
    assert "key 2 of 2" in found["OPENAI_API_KEY"] and "hush" not in found["OPENAI_API_KEY"]


def test_dotenv_may_name_the_secrets_folder_and_the_environment_goes_before_it(
    monkeypatch: pytest.MonkeyPatch, bare: Path
) -> None:
    put(monkeypatch, SLACK_BOT_TOKEN="xoxb-1", SLACK_APP_TOKEN="xapp-1")
    for name in ("one", "two"):
        (bare / name).mkdir()
        (bare / name / "OPENAI_API_KEY").write_text(f"sk-{name}\n")
    (bare / ".env").write_text("PARLEY_SECRETS_DIR=one\n")
    assert [key.get_secret_value() for key in environment.load().openai_api_key] == ["sk-one"]
    put(monkeypatch, PARLEY_SECRETS_DIR="two")
    assert [key.get_secret_value() for key in environment.load().openai_api_key] == ["sk-two"]
    put(monkeypatch, PARLEY_SECRETS_DIR="")
    assert [key.get_secret_value() for key in environment.load().openai_api_key] == ["sk-one"]


def test_a_secrets_folder_named_in_dotenv_that_is_not_there_is_said(
    monkeypatch: pytest.MonkeyPatch, bare: Path
) -> None:
    put(monkeypatch, **GOOD)
    (bare / ".env").write_text("PARLEY_SECRETS_DIR=nowhere\n")
    assert set(wrong()) == {"PARLEY_SECRETS_DIR"}


def test_a_variable_that_is_no_setting_is_told_with_the_nearest_and_keeps_nothing_down(
    monkeypatch: pytest.MonkeyPatch, bare: Path
) -> None:
    put(monkeypatch, **GOOD, PARLEY_CONCURENCY="3", PARLEY_LOG_LEVEL="info", OPENAI_ORGANISATION="x")
    (bare / ".env").write_text("parley_admin=U1\nPARLEY_XYZZY=1\nPARLEY_CONCURENCY=4\nPARLEY_ADMINS=U2\n")
    assert environment.unknown_variables() == [
        ("PARLEY_ADMIN", "PARLEY_ADMINS"),
        ("PARLEY_CONCURENCY", "PARLEY_CONCURRENCY"),
        ("PARLEY_XYZZY", ""),
    ]
    environment.load()


def test_unknown_variables_are_told_beside_a_dotenv_that_is_not_utf8(
    monkeypatch: pytest.MonkeyPatch, bare: Path
) -> None:
    (bare / ".env").write_bytes(b"\xff\xfe")
    put(monkeypatch, PARLEY_CONCURENCY="3")
    assert environment.unknown_variables() == [("PARLEY_CONCURENCY", "PARLEY_CONCURRENCY")]


def test_words_to_choose_from_are_taken_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, **GOOD, PARLEY_LOG_LEVEL="INFO", PARLEY_LOG_FORMAT="Json", PARLEY_PLATFORM_LIMITS="NONE")
    loaded = environment.load()
    assert (loaded.parley_log_level, loaded.parley_log_format, loaded.parley_platform_limits) == (
        "info",
        "json",
        "none",
    )
