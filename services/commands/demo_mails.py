"""Which customers of the demo hear of their birthday and of Christmas, under made-up names, and what was sent to the file outbox."""

import datetime as dt
import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from services.commands.jobs import run_of
from services.notifications.channels.file_outbox import INDEX
from services.notifications.commands import (
    Command,
    ConfirmConsent,
    HearConsent,
    HearProfile,
    HearReport,
    KeepSegment,
    RedeemCoupon,
    Request,
)
from services.notifications.programme import Programme
from services.notifications.rules.reaching import MAIL
from services.notifications.sending.alarm import Alarm
from services.notifications.sending.channels import mail_line
from services.notifications.sending.posting import Poster
from services.notifications.sending.saying import Sayer
from services.notifications.service import NotificationsService
from services.notifications.settings import NotificationsSettings
from services.notifications.summary import Told, first_codes, told, with_a_profile
from services.points.service import PointsService
from services.points.summary import buyers
from services.running import Opened

SEED = 1997
READERS, REDEEMED = 48, 4
"""So many customers have a profile, and so many of the coupons were used."""

DAY = dt.timedelta(days=1)
ASKED_AT = -8 * DAY
"""So long ago that nobody is sent the question any more, and so short that it may be confirmed."""
EVERY, UNASKED, UNCONFIRMED, WITHDRAWN, BOUNCED = 12, 3, 5, 8, 6
"""Of so many readers the one whom it is so with; mail comes back to one alone."""

BIRTHDAYS = (0, 0, -1, 1, 10)
"""How many days from today they are, in turn."""
LEAP_YEARS = (1948, 1956, 1964, 1972)
"""Years of birth, with every day that a year can have."""
CHRISTMAS_DAYS = 3

NO_NEWS = ("tier_reached", "referral_rewarded", "pair_waiting", "points_digest")
"""What is not said, since it comes of purchases of long ago that are booked today."""

SEGMENT = "readers"
WHO_READ = '{"field": "language", "in": ["de", "en"]}'
"""Those with a profile: all others have only bought."""

ZONES = {"de": "Europe/Berlin", "en": "America/New_York"}
GIVEN: Mapping[str, Sequence[tuple[str, str]]] = {
    "de": [
        ("Frau", "Anke"),
        ("Herr", "Jonas"),
        ("Frau Dr.", "Miriam"),
        ("Herr", "Emil"),
        ("Frau", "Lotte"),
        ("Herr", "Karl"),
    ],
    "en": [("Ms", "Grace"), ("Mr", "Oscar"), ("Mrs", "Nora"), ("Dr.", "Silas"), ("Ms", "Ivy"), ("Mr", "Theo")],
}
FAMILY: Mapping[str, Sequence[str]] = {
    "de": ["Lindner", "Brandt", "Schönfeld", "Kröger", "Weiß", "Oberländer", "Tamm"],
    "en": ["Holloway", "Pennington", "Fairbanks", "Whitmore", "Calloway", "Marsden", "Quill"],
}
"""One more of them than given names, so that no two readers have the same."""
LETTERS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
QUESTION = {"de": "Ja, ich möchte Angebote per E-Mail.", "en": "Yes, send me offers by email."}

IN_WORDS = {
    "consent-missing": "never agreed to offers by mail",
    "consent-unconfirmed": "agreed, but has not confirmed it",
    "consent-withdrawn": "agreed, and withdrew it",
    "address-bounced": "mail to the address came back",
    "address-missing": "has told no address",
}
SUBJECTS = {
    "occasion:birthday": "birthday, with a coupon",
    "occasion:christmas": "Christmas, with a coupon",
    "confirm_consent": "the question whether they agreed",
}


class Reader(NamedTuple):
    """A customer of the shop under a made-up name; `number` is their place in the list."""

    number: int
    customer_id: str
    since: dt.datetime
    language: str

    @property
    def names(self) -> tuple[str, str, str]:
        place, given, family = self.number // len(ZONES), GIVEN[self.language], FAMILY[self.language]
        return (*given[place % len(given)], family[place % len(family)])

    @property
    def email(self) -> str:
        _, given, family = self.names
        host = "example.org" if self.language == "de" else "example.com"
        return f"{given}.{family}.{self.customer_id}@{host}".lower().translate(LETTERS)

    def birthday(self, now: dt.datetime) -> dt.date:
        today = now.astimezone(ZoneInfo(ZONES[self.language])).date()
        day = today + BIRTHDAYS[self.number % len(BIRTHDAYS)] * DAY
        return day.replace(year=LEAP_YEARS[self.number % len(LEAP_YEARS)])


@dataclass(frozen=True, slots=True)
class Mailed:
    """What customers were told, and where their mails can be opened; nowhere, where mail would really leave."""

    told: Told
    outbox: Path | None


async def write(
    points: PointsService, notifications: Opened[NotificationsService], settings: NotificationsSettings, shop_id: str
) -> Mailed:
    """Plan, say and send what is due to customers of the demo, unless it was sent before, and sum up."""
    service, outbox = notifications.service, settings.outbox_folder
    if outbox is not None:
        async with points.engine.connect() as connection:
            readers = chosen(await buyers(connection, shop_id))
        await _introduce(service, readers)
        await _publish(service)
        await run_of(notifications, "plan")
        await _send(service, settings)
        await _redeem(service, shop_id)
    async with service.engine.connect() as connection:
        return Mailed(await told(connection), outbox)


def chosen(first: Mapping[str, dt.datetime]) -> list[Reader]:
    """Return who has a profile, the same with every run; `first` says when each bought first."""
    names = random.Random(SEED).sample(list(first), min(READERS, len(first)))  # noqa: S311 - what is drawn is no secret
    return [Reader(number, *each) for number, each in enumerate(_with_languages(names, first))]


def _with_languages(names: Sequence[str], first: Mapping[str, dt.datetime]) -> Iterator[tuple[str, dt.datetime, str]]:
    for name, language in zip(names, itertools.cycle(ZONES), strict=False):
        yield name, first[name], language


async def _introduce(notifications: NotificationsService, readers: Sequence[Reader]) -> None:
    """Let profiles and consents be heard of those who have no profile yet."""
    async with notifications.engine.connect() as connection:
        known = await with_a_profile(connection, [each.customer_id for each in readers])
    now = notifications.clock()
    commands = [said for each in readers if each.customer_id not in known for said in _said(each, now)]
    await notifications.submit(Request([KeepSegment(SEGMENT, WHO_READ, "demo"), *commands]))


def _said(reader: Reader, now: dt.datetime) -> Iterator[Command]:
    """Yield what is heard of a customer: most agreed and confirmed it, some did not, and one address is gone."""
    yield HearProfile(reader.customer_id, _profile(reader, now), reader.since, reader.since)
    place = reader.number % EVERY
    asked_at = now if place == UNCONFIRMED else now + ASKED_AT
    if place != UNASKED:
        yield _consent(reader, asked_at, is_given=True)
    if place not in {UNASKED, UNCONFIRMED}:
        yield ConfirmConsent(reader.customer_id, MAIL, "offers", asked_at, "link in a mail", "")
    if place == WITHDRAWN:
        yield _consent(reader, None, is_given=False)
    if reader.number == BOUNCED:
        yield HearReport(MAIL, reader.email, "bounced")


def _consent(reader: Reader, at: dt.datetime | None, *, is_given: bool) -> HearConsent:
    how, text = ("form of the demo", QUESTION[reader.language]) if is_given else ("by telephone", "")
    return HearConsent(reader.customer_id, MAIL, "offers", is_given, how, text, at)


def _profile(reader: Reader, now: dt.datetime) -> dict[str, Any]:
    salutation, given, family = reader.names
    return {
        "salutation": salutation,
        "given_name": given,
        "family_name": family,
        "language": reader.language,
        "time_zone": ZONES[reader.language],
        "birthday": reader.birthday(now),
        "email": reader.email,
    }


# Rules of the demo


async def _publish(notifications: NotificationsService) -> None:
    """Give the books a programme for which it is Christmas today, unless their shop has published one."""
    async with notifications.engine.begin() as connection:
        if (await notifications.delivery.versions(connection)).latest == 1:
            now = notifications.clock()
            programme = programme_of(now.astimezone(ZoneInfo(ZONES["en"])).date())
            await notifications.delivery.publish(connection, programme, valid_from=now, now=now, actor="loyalty demo")


def programme_of(today: dt.date) -> Programme:
    """Return a programme whose Christmas begins on a day, and in which nobody waits for the morning."""
    at_midnight = {"from": "00:00", "until": "00:01"}
    return Programme.model_validate(
        {
            "currency": "USD",
            "time_zone": ZONES["en"],
            "sender": {
                "name": "Vinyl & Co.",
                "postal_address": "1 Example Street, Exampletown",
                "website": "https://shop.example/",
            },
            "quiet_hours": None,
            "messages": {each: {"enabled": False, "template": each} for each in NO_NEWS},
            "occasions": [
                {
                    "kind": "anniversary",
                    "name": "birthday",
                    "of": "birthday",
                    "template": "birthday",
                    "hours": at_midnight,
                    "benefit": _coupon({"kind": "percentage_voucher", "percent": "15"}, "BDAY"),
                },
                {
                    "kind": "campaign",
                    "name": "christmas",
                    "template": "christmas",
                    "segment": SEGMENT,
                    "begins": f"{today:%m-%d}",
                    "days": CHRISTMAS_DAYS,
                    "year": today.year,
                    "hours": at_midnight,
                    "benefit": _coupon(
                        {"kind": "money_voucher", "amount": "10.00", "currency": "USD", "minimum": "40.00"}, "XMAS"
                    ),
                },
            ],
        }
    )


def _coupon(value: dict[str, str], prefix: str) -> dict[str, Any]:
    return {"kind": "coupon", "coupon": {"value": value, "valid_days": 30, "code_prefix": prefix}}


# What a worker does all day


async def _send(notifications: NotificationsService, settings: NotificationsSettings) -> None:
    """Say and send what is due, as far as no worker is at it."""
    alarm, line = Alarm(), mail_line(settings)
    sayer = Sayer(notifications, alarm)
    while await sayer.say_due():
        pass
    if line is not None:
        poster = Poster(notifications, line, alarm)
        while await poster.send_due() is not None:
            pass


async def _redeem(notifications: NotificationsService, shop_id: str) -> None:
    """Let a till take some of the coupons, the same with every run."""
    async with notifications.engine.connect() as connection:
        codes = await first_codes(connection, REDEEMED)
    commands: list[Command] = [RedeemCoupon(code, shop_id, f"DEMO-{code}") for code in codes]
    await notifications.submit(Request(commands))


# What a shop's owner is told


def show(mailed: Mailed, out: Console) -> None:
    """Tell what was said to whom, what was not and why, and where to look at it."""
    if mailed.outbox is None:
        out.print("[dim]No customer was written to: there is a mail server, or no file outbox.[/]", highlight=False)
        return
    out.print(_messages(mailed.told))
    out.print(_reasons(mailed.told))
    out.print(
        f"[dim]{READERS} customers have made-up names, addresses at example.com and example.org and birthdays around the day of"
        f" the first `make demo`; Christmas begins on that day too, and lasts {CHRISTMAS_DAYS} days. What is planned"
        " leaves on its day, while `make run` runs.[/]",
        highlight=False,
    )
    index = (mailed.outbox / INDEX).resolve().as_uri()
    out.print(f"[bold]the mails, for your browser[/]: {index}", highlight=False, soft_wrap=True)


def _messages(sums: Told) -> Table:
    table = Table("message", "in all", "sent", "kept back", "planned", title="messages to customers")
    for row in sums.messages:
        figures = (f"{row[name]:,}" for name in ("messages", "sent", "suppressed", "planned"))
        table.add_row(SUBJECTS.get(row["subject"], row["subject"]), *figures)
    return table


def _reasons(sums: Told) -> Table:
    table = Table(title="what was kept back, and what came of the coupons", show_header=False)
    for reason, messages in sums.suppressed.items():
        table.add_row(f"kept back: {IN_WORDS.get(reason, reason)}", f"{messages:,}")
    table.add_row("coupons given", f"{sum(sums.coupons.values()):,}")
    table.add_row("of them used at a till", f"{sums.coupons.get('redeemed', 0):,}")
    return table
