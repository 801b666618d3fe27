"""Flags, then the environment, then files, then what is built in; and each setting knows where it came from."""

from pathlib import Path

import pytest

from longread.agent.cli import config
from longread.errors import ConfigError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setattr(config, "user_config_path", lambda *_, **__: folder)
    return folder


def load(folder: Path, environment: dict[str, str] | None = None, **flags: object) -> config.Config:
    return config.load(flags, environment=environment or {}, folder=folder)


def test_each_layer_covers_the_one_below(home: Path, tmp_path: Path) -> None:
    assert load(tmp_path).settings.max_tokens == 512
    assert load(tmp_path).origins["max_tokens"] == "built in"
    (home / "longread.toml").write_text("max_tokens = 1\nlayout = true\n")
    (tmp_path / "longread.toml").write_text("max_tokens = 2\n")
    found = load(tmp_path)
    assert (found.settings.max_tokens, found.settings.layout) == (2, True)
    assert found.origins["max_tokens"] == str(tmp_path / "longread.toml")
    assert found.origins["layout"] == str(home / "longread.toml")
    found = load(tmp_path, {"LONGREAD_MAX_TOKENS": "3"})
    assert (found.settings.max_tokens, found.origins["max_tokens"]) == (3, "environment LONGREAD_MAX_TOKENS")
    found = load(tmp_path, {"LONGREAD_MAX_TOKENS": "3"}, max_tokens=4, model=None)
    assert (found.settings.max_tokens, found.origins["max_tokens"]) == (4, "flag --max-tokens")
    assert found.origins["model"] == "built in"


@pytest.mark.parametrize(
    ("environment", "flags", "server", "key"),
    [
        ({"OPENAI_API_KEY": "k"}, {}, None, None),
        ({"OPENAI_API_KEY": "k"}, {"server": "http://localhost:1"}, "http://localhost:1", None),
        ({"OPENAI_API_KEY": "k"}, {"server": "https://api.openai.com/v1"}, "https://api.openai.com/v1", "k"),
        ({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://a/v1"}, {}, "http://a/v1", "k"),
        ({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://a/v1"}, {"server": "http://b"}, "http://b", None),
        ({"OPENAI_API_KEY": "k", "LONGREAD_API_KEY": "l", "LONGREAD_SERVER": "http://c"}, {}, "http://c", "l"),
    ],
)
def test_an_openai_key_goes_to_no_other_server(
    home: Path, tmp_path: Path, environment: dict[str, str], flags: dict[str, str], server: str | None, key: str | None
) -> None:
    settings = load(tmp_path, environment, **flags).settings
    assert (settings.server, settings.api_key) == (server, key)


def test_a_folder_does_not_choose_where_a_key_is_sent(home: Path, tmp_path: Path) -> None:
    (tmp_path / "longread.toml").write_text("server = 'http://elsewhere/v1'\n")
    with pytest.raises(ConfigError, match=r"server, http://elsewhere/v1.*environment"):
        load(tmp_path, {"LONGREAD_API_KEY": "secret"})
    assert load(tmp_path, {"LONGREAD_API_KEY": "secret"}, server="http://mine").settings.api_key == "secret"
    (tmp_path / "longread.toml").write_text("server = 'http://elsewhere/v1'\napi_key = 'theirs'\n")
    assert load(tmp_path).settings.api_key == "theirs"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modle = 'x'", r"longread.toml: there is no setting 'modle'. There are: server, model"),
        ("window = 'big'", r"longread.toml: window = 'big' cannot be used: \w+"),
        ("temperature = 3", r"longread.toml: temperature = 3 cannot be used: .*\b2\b"),
        ("x = = 1", r"longread.toml cannot be read as TOML"),
        ("api_key = 12345678", r"longread.toml: api_key cannot be used: \w+"),
        ("parse_timeout = inf", r"longread.toml: parse_timeout = inf cannot be used"),
        ("prefix_cache_gib = inf", r"longread.toml: prefix_cache_gib = inf cannot be used"),
        ("ocr_language = '../x'", r"longread.toml: ocr_language = '../x' cannot be used"),
    ],
)
def test_a_setting_that_cannot_be_used_names_its_file(home: Path, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "longread.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load(tmp_path)


def test_a_bad_flag_and_a_bad_variable_name_themselves(home: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="flag --window: window = 1 cannot be used"):
        load(tmp_path, window=1)
    with pytest.raises(ConfigError, match="environment LONGREAD_LAYOUT: layout = 'maybe' cannot be used"):
        load(tmp_path, {"LONGREAD_LAYOUT": "maybe"})


def test_a_password_in_an_address_is_not_shown(home: Path, tmp_path: Path) -> None:
    table = {row[0]: row for row in load(tmp_path, server="http://bob:hunter2@host/v1").table()}
    assert table["server"][1] == "http://host/v1"


def test_the_table_has_every_setting_and_hides_the_key(home: Path, tmp_path: Path) -> None:
    table = {row[0]: row for row in load(tmp_path, api_key="secret", server="http://a").table()}
    assert set(table) == set(config.Settings.model_fields)
    assert table["api_key"][1] == "***"
    assert table["server"][1:3] == ("http://a", "flag --server")
    assert all(row[3] for row in table.values())
