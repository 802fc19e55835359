"""Who hears of what in the demo: the same customers with every run, under made-up names, on any day of the year."""

import datetime as dt

import pytest

from services.commands.demo_mails import READERS, chosen, programme_of
from services.notifications.channels.mail import mail_address
from services.notifications.programme import faults

BOUGHT = dt.datetime(1997, 1, 1, tzinfo=dt.UTC)
FIRST = {f"{number:05}": BOUGHT for number in range(500)}


def test_the_same_customers_have_a_profile_with_every_run() -> None:
    assert len(chosen(FIRST)) == READERS
    assert chosen(FIRST) == chosen(FIRST)


def test_a_small_shop_has_as_many_readers_as_customers() -> None:
    assert [each.customer_id for each in chosen({"anna": BOUGHT})] == ["anna"]


def test_half_of_them_read_german_and_no_two_have_the_same_name() -> None:
    readers = chosen(FIRST)
    assert sum(each.language == "de" for each in readers) == READERS // 2
    assert len({each.names for each in readers}) == READERS


def test_no_mail_to_them_could_reach_anybody() -> None:
    addresses = [mail_address(each.email) for each in chosen(FIRST)]
    assert {each.rpartition("@")[2] for each in addresses} == {"example.com", "example.org"}
    assert len(set(addresses)) == READERS


@pytest.mark.parametrize(
    "day", [dt.date(2026, 11, 24), dt.date(2026, 12, 31), dt.date(2028, 2, 28), dt.date(2028, 2, 29)]
)
def test_it_can_be_christmas_and_somebodys_birthday_on_any_day(day: dt.date) -> None:
    noon = dt.datetime.combine(day, dt.time(17), dt.UTC)
    birthdays = {(each.birthday(noon).month, each.birthday(noon).day) for each in chosen(FIRST)}
    assert (day.month, day.day) in birthdays
    assert faults(programme_of(day)) == []
