"""A setting that is wrong stops the start with its name."""

import os

import pytest

from services.points.settings import PointsSettings
from services.registry import KINDS, AllSettings, kinds_here
from shared.settings import Settings, SettingsError, read, read_or_exit


def refusal(monkeypatch: pytest.MonkeyPatch, **variables: str) -> list[str]:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        read(PointsSettings)
    return str(refused.value).splitlines()


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("LOYALTY_"):
            monkeypatch.delenv(name)


def test_nothing_set_is_a_small_shop_on_its_own_machine() -> None:
    settings = read(PointsSettings)
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.points_database_url is None
    assert settings.kafka_bootstrap_servers is None


def test_a_wrong_value_is_refused_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = refusal(monkeypatch, LOYALTY_PORT="abc")
    assert line.startswith("LOYALTY_PORT: ")
    assert line.endswith(", got 'abc'")


def test_all_wrong_values_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = refusal(monkeypatch, LOYALTY_PORT="99999", LOYALTY_LOG_LEVEL="loud", LOYALTY_HOTS="::1")
    assert [line.split(":")[0] for line in lines] == ["LOYALTY_PORT", "LOYALTY_LOG_LEVEL", "LOYALTY_HOTS"]


def test_a_misspelt_variable_is_refused_and_the_right_one_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(monkeypatch, LOYALTY_POINTS_DATABSE_URL="postgresql://x/y") == [
        "LOYALTY_POINTS_DATABSE_URL: is not a setting; is LOYALTY_POINTS_DATABASE_URL meant?"
    ]


def test_the_settings_of_a_neighbour_may_stand_beside_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOYALTY_REFERRALS_DATABASE_URL", "postgresql://referrals/referrals")
    assert read(PointsSettings).port == 8000


def test_a_password_is_in_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = refusal(monkeypatch, LOYALTY_POINTS_DATABASE_URL="mysql://me:secret@db/points")
    assert line.startswith("LOYALTY_POINTS_DATABASE_URL: ")
    assert "secret" not in line
    monkeypatch.setenv("LOYALTY_POINTS_DATABASE_URL", "postgresql://me:secret@db/points")
    assert "secret" not in repr(read(PointsSettings))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("postgres://me:pa%40ss@db:5432/points", "postgresql://me:pa%40ss@db:5432/points"),
        ("postgresql+asyncpg://db/points", "postgresql://db/points"),
        ("postgresql://postgres@/points?host=/tmp/a%20b", "postgresql://postgres@/points?host=%2Ftmp%2Fa+b"),
    ],
)
def test_a_database_url_is_taken_in_all_its_spellings(monkeypatch: pytest.MonkeyPatch, given: str, kept: str) -> None:
    monkeypatch.setenv("LOYALTY_POINTS_DATABASE_URL", given)
    assert read(PointsSettings).points_database_url == kept


@pytest.mark.parametrize("wrong", ["kafka", "kafka:0", "kafka:99999", ":9092", "kafka:9092,", "http://kafka:9092"])
def test_kafka_is_a_list_of_hosts_and_ports(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    (line,) = refusal(monkeypatch, LOYALTY_KAFKA_BOOTSTRAP_SERVERS=wrong)
    assert line == f"LOYALTY_KAFKA_BOOTSTRAP_SERVERS: should be a list like kafka-1:9092,kafka-2:9092, got {wrong!r}"


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOYALTY_KAFKA_BOOTSTRAP_SERVERS", "")
    monkeypatch.setenv("LOYALTY_POINTS_DATABASE_URL", "")
    settings = read(PointsSettings)
    assert settings.kafka_bootstrap_servers is None
    assert settings.points_database_url is None


def test_a_process_with_wrong_settings_ends_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOYALTY_PORT", "abc")
    with pytest.raises(SystemExit) as ended:
        read_or_exit(Settings)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("LOYALTY_PORT: ")


def test_a_process_of_several_services_reads_the_settings_of_each_and_refuses_a_misspelt_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOYALTY_REFERRALS_DATABASE_URL", "postgresql://db/referrals")
    settings = read(AllSettings)
    assert [each.name for each in kinds_here(settings)] == ["referrals"]
    monkeypatch.setenv("LOYALTY_REFERRALS_DATABSE_URL", "postgresql://db/referrals")
    with pytest.raises(SettingsError, match="LOYALTY_REFERRALS_DATABASE_URL meant"):
        read(AllSettings)


def test_where_no_database_is_named_all_services_are_here() -> None:
    assert kinds_here(read(AllSettings)) == list(KINDS.values())
