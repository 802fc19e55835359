"""Links in messages: nobody makes one for somebody else, and none does what another is for."""

import datetime as dt
from pathlib import Path

import pytest

from services.notifications.links import Confirm, Links, Preferences, Unsubscribe, links_of
from services.notifications.settings import NotificationsSettings
from shared.settings import SettingsError

AT = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
LINKS = Links("0123456789abcdef0123456789abcdef".encode, "https://shop.example/messages/")


def token_of(link: str) -> str:
    return link.rpartition("/")[2]


def test_a_link_leads_to_its_page_and_says_what_it_is_for() -> None:
    link = LINKS.unsubscribe("Änne/42", "email", "offers")
    assert link.startswith("https://shop.example/messages/unsubscribe/")
    assert link.isascii()
    assert LINKS.read(token_of(link), Unsubscribe) == Unsubscribe("Änne/42", "email", "offers")
    asked = LINKS.confirm("anna", "email", "offers", AT)
    assert LINKS.read(token_of(asked), Confirm) == Confirm("anna", "email", "offers", "2026-11-23T12:00:00+00:00")


def test_the_longest_names_fit_into_a_header() -> None:
    assert len(LINKS.unsubscribe("c" * 128, "w" * 40, "account")) < 900


GOOD = token_of(LINKS.preferences("anna"))
BODY, SIGNATURE = GOOD.split(".")
BENS, BENS_SIGNATURE = token_of(LINKS.preferences("ben")).split(".")
OTHERS = token_of(Links("another key".encode, "https://shop.example").preferences("anna"))


@pytest.mark.parametrize(
    "forged",
    [
        "",
        ".",
        "anna",
        BODY,
        f"{BODY}.",
        f".{SIGNATURE}",
        f"{BENS}.{SIGNATURE}",
        f"{BODY}.{BENS_SIGNATURE}",
        f"{BODY}.{SIGNATURE[:-1]}",
        f"{BODY}.{SIGNATURE}=",
        f"{BODY}.{SIGNATURE}.",
        f"{BODY}=.{SIGNATURE}",
        f"{BODY}.{SIGNATURE.swapcase()}",
        f"{BODY}.{SIGNATURE}ä",
        GOOD.replace(".", "%2E"),
        OTHERS,
    ],
)
def test_a_forged_token_is_for_nothing(forged: str) -> None:
    assert LINKS.read(GOOD, Preferences) == Preferences("anna")
    assert LINKS.read(forged, Preferences) is None


def test_no_bit_of_a_token_can_be_changed() -> None:
    flipped = [GOOD[:place] + chr(ord(GOOD[place]) ^ 1) + GOOD[place + 1 :] for place in range(len(GOOD))]
    assert {LINKS.read(each, Preferences) for each in flipped} == {None}


def test_a_link_does_only_what_it_is_for() -> None:
    unsubscribe = token_of(LINKS.unsubscribe("anna", "email", "offers"))
    assert LINKS.read(unsubscribe, Preferences) is None
    assert LINKS.read(unsubscribe, Confirm) is None
    assert LINKS.read(GOOD, Unsubscribe) is None


def test_an_installation_with_a_database_of_its_own_keeps_its_key(tmp_path: Path) -> None:
    settings = NotificationsSettings(data_dir=tmp_path)
    made = [links_of(settings).preferences("anna") for _ in range(2)]
    assert made[0] == made[1]
    assert made[0].startswith("http://127.0.0.1:8000/notifications/preferences/")
    assert (tmp_path / "link.key").stat().st_mode & 0o777 == 0o600


def test_a_database_that_others_have_needs_a_key() -> None:
    settings = NotificationsSettings(notifications_database_url="postgresql://loyalty@db/notifications")
    with pytest.raises(SettingsError, match="LOYALTY_NOTIFICATIONS_LINK_KEY: is needed beside"):
        links_of(settings)
