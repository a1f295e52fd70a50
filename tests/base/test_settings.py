"""Settings: where a value comes from, and what is said about one that cannot be."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from entrepot.base import settings
from entrepot.base.settings import FIELDS, SettingRefused, Settings, SettingsFileUnreadable, SettingUnknown, find

pytestmark = pytest.mark.fast


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A settings file that decides two settings."""
    path = tmp_path / "entrepot.toml"
    path.write_text('workers = 3\nlog-format = "json"\n', "utf-8")
    return path


def refusal(environment: dict[str, str]) -> str:
    """Return why these variables are refused."""
    with pytest.raises((SettingRefused, SettingUnknown)) as refused:
        find({}, environment, None)
    return refused.value.message


def test_without_anything_said_the_defaults_hold() -> None:
    found = find({}, {}, None)
    assert found.settings == Settings()
    assert set(found.origins.values()) == {"default"}
    assert set(found.origins) == set(FIELDS)


def test_the_command_line_wins_over_the_environment_which_wins_over_the_file(file: Path) -> None:
    environment = {"ENTREPOT_WORKERS": "5", "ENTREPOT_GC_GRACE": "100"}
    found = find({"gc_grace": "200", "workers": None}, environment, file)
    assert (found.settings.log_format, found.origins["log_format"]) == ("json", f"log-format in {file}")
    assert (found.settings.workers, found.origins["workers"]) == (5, "ENTREPOT_WORKERS")
    assert (found.settings.gc_grace, found.origins["gc_grace"]) == (200, "--gc-grace")
    assert (found.settings.sparse, found.origins["sparse"]) == ("none", "default")
    assert find({}, {}, file).settings.workers == 3


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("ENTREPOT_WORKER", "; the nearest one is ENTREPOT_WORKERS"),
        ("ENTREPOT_LOGLEVEL", "; the nearest one is ENTREPOT_LOG_LEVEL"),
        ("ENTREPOT_PUBLICURL", "; the nearest one is ENTREPOT_PUBLIC_URL"),
        ("ENTREPOT_ZZZZZZ", "; `entrepot serve --help` lists them all"),
        ("ENTREPOT_WORKERS_FILE", "; the nearest one is ENTREPOT_WORKERS"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest_known_name(variable: str, nearest: str) -> None:
    assert refusal({variable: "1"}) == f"{variable} is not a setting{nearest}"


def test_an_unknown_name_in_the_file_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "entrepot.toml"
    path.write_text("wrokers = 2\n", "utf-8")
    with pytest.raises(SettingUnknown) as refused:
        find({}, {}, path)
    assert refused.value.message == f"wrokers in {path} is not a setting; the nearest one is workers"
    path.write_text("gc_grce = 2\n", "utf-8")
    with pytest.raises(SettingUnknown, match="the nearest one is gc-grace"):
        find({}, {}, path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("workers", "many"),
        ("workers", "-1"),
        ("workers", "65"),
        ("workers", "1.5"),
        ("gc_grace", "59"),
        ("shutdown_delay", "-1"),
        ("shutdown_delay", "301"),
        ("shutdown_limit", "0"),
        ("shutdown_limit", "86401"),
        ("open_to_network", "perhaps"),
        ("access", "closed"),
        ("sparse", "all"),
        ("log_level", "loud"),
        ("log_format", "xml"),
        ("listen", "127.0.0.1"),
        ("listen", ":"),
        ("listen", "localhost:http"),
        ("listen", "127.0.0.1:65536"),
        ("listen", "127.0.0.1:0"),
        ("listen", "[::1]:00"),
        ("listen", ":5000"),
        ("public_url", "hub.example.com"),
        ("public_url", "http://[hub"),
        ("public_url", "http://hub:65536"),
        ("public_url", "http://hub:0"),
        ("database", "postgresql://u:p@[h/n"),
        ("database", "postgresql://u:p@one:5432,two:70000/n"),
        ("public_url", "https://hub.example.com/path"),
        ("database", "mysql://somewhere"),
        ("data", ""),
        ("access_log", "some"),
        ("metrics_allow", "everyone"),
        ("metrics_allow", "10.0.0.1/8"),
        ("metrics_allow", "10.0.0.0/8,"),
    ],
)
def test_an_ill_typed_value_is_refused_with_name_value_and_what_was_expected(name: str, value: str) -> None:
    variable = f"ENTREPOT_{name.upper()}"
    shown = "***" if name in settings.SECRETS else value
    assert refusal({variable: value}) == f"{variable} is '{shown}': expected {settings.expected(name)}"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("workers", "0", 0),
        ("workers", "64", 64),
        ("gc_grace", "60", 60),
        ("shutdown_delay", "0", 0),
        ("shutdown_delay", "300", 300),
        ("shutdown_limit", "1", 1),
        ("shutdown_limit", "86400", 86_400),
        ("open_to_network", "true", True),
        ("open_to_network", "false", False),
        ("listen", "[::1]:80", "[::1]:80"),
        ("listen", "localhost:65535", "localhost:65535"),
        ("listen", "localhost:1", "localhost:1"),
        ("public_url", "http://0", "http://0"),
        ("database", "postgresql://u:70000@one:5432,[::1]:65535/n", "postgresql://u:70000@one:5432,[::1]:65535/n"),
        ("public_url", "https://hub.example.com:8443", "https://hub.example.com:8443"),
        ("public_url", "", ""),
        ("database", "postgresql://u:p@h/n", "postgresql://u:p@h/n"),
        ("database", "postgresql://u:p@h/n?pooler=transaction", "postgresql://u:p@h/n?pooler=transaction"),
        ("sparse", "images", "images"),
        ("access_log", "true", True),
        ("metrics_allow", "10.0.0.0/8, fd00::/8", "10.0.0.0/8, fd00::/8"),
        ("metrics_allow", "192.0.2.7", "192.0.2.7"),
        ("metrics_allow", "", ""),
    ],
)
def test_values_at_the_limits_are_taken(name: str, text: str, value: object) -> None:
    assert getattr(find({name: text}, {}, None).settings, name) == value


def test_a_secret_may_lie_in_a_file_and_its_line_end_does_not_count(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("postgresql://u:p@h/n\n", "utf-8")
    found = find({}, {"ENTREPOT_DATABASE_FILE": str(secret)}, None)
    assert found.settings.database == "postgresql://u:p@h/n"
    assert found.origins["database"] == "ENTREPOT_DATABASE_FILE"
    with pytest.raises(SettingsFileUnreadable, match="No such file"):
        find({}, {"ENTREPOT_DATABASE_FILE": str(tmp_path / "none")}, None)


def test_a_secret_that_is_refused_is_not_shown() -> None:
    assert "hunter2" not in refusal({"ENTREPOT_DATABASE": "mysql://u:hunter2@h/n"})


def test_what_kubernetes_sets_for_a_service_of_our_name_is_ignored() -> None:
    names = ("PORT", "PORT_5000_TCP_ADDR", "PORT_5000_TCP", "SERVICE_HOST", "SERVICE_PORT_REGISTRY")
    assert find({}, {f"ENTREPOT_{name}": "tcp://10.0.0.1:5000" for name in names}, None).settings == Settings()


def test_variables_of_others_and_the_one_that_names_the_file_are_no_settings() -> None:
    assert find({}, {"WORKERS": "9", "XENTREPOT_WORKERS": "9", "ENTREPOT_CONFIG": "x"}, None).settings == Settings()


@pytest.mark.parametrize("content", [b"workers = ", b"\xff\xfe", b"workers"])
def test_a_file_that_is_not_toml_is_refused_with_its_path(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "entrepot.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsFileUnreadable, match=r"entrepot\.toml cannot be read"):
        find({}, {}, path)
    with pytest.raises(SettingsFileUnreadable):
        find({}, {}, tmp_path / "none.toml")


def test_the_files_values_may_have_their_own_types(tmp_path: Path) -> None:
    path = tmp_path / "entrepot.toml"
    path.write_text("open-to-network = true\ngc_grace = 90\n", "utf-8")
    found = find({}, {}, path).settings
    assert (found.open_to_network, found.gc_grace) == (True, 90)


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_says_what_it_takes_and_decides_and_its_default_is_allowed(name: str) -> None:
    assert settings.expected(name)
    assert settings.sentence(name)[0].isupper()
    assert settings.sentence(name).endswith(".")
    assert settings.option(name) == name.replace("_", "-")
    default: Any = FIELDS[name].default
    assert msgspec.convert(default, type=FIELDS[name].type) == default


@pytest.mark.parametrize(
    ("listen", "found"),
    [("127.0.0.1:5000", ("127.0.0.1", 5000)), ("[::1]:80", ("::1", 80)), ("localhost:1", ("localhost", 1))],
)
def test_an_address_is_host_and_port(listen: str, found: tuple[str, int]) -> None:
    assert Settings(listen=listen).host_and_port == found


def test_no_number_of_workers_means_one_for_each_processor() -> None:
    assert settings.workers(Settings(workers=7)) == 7
    assert settings.workers(Settings()) == len(os.sched_getaffinity(0))
