"""Profiles: put as a whole, or heard of in parts; what is older than the last word changes nothing."""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from services.notifications.books import Books
from services.notifications.commands import HearProfile, Outcome, PutProfile, refused
from services.notifications.decisions.events import tell_customers
from services.notifications.records import Customer, OwnDate
from services.notifications.rules.profiles import SHARED, is_mail_address, touched
from shared.dates import is_ahead


def hear_profile(books: Books, command: HearProfile) -> Outcome:
    if is_ahead(command.said_at, books.now):
        return refused("said-in-future", f"{command.said_at} is more than 24 hours ahead")
    customer = books.customer(command.customer_id)
    if customer.erased_at is not None:
        return Outcome("ignored")
    is_news = command.registered_at is not None and join(books, customer, command.registered_at)
    if customer.profile_at is None or command.said_at >= customer.profile_at:
        is_new_word = customer.profile_at != command.said_at
        customer.profile_at = command.said_at
        is_news |= bool(_tell(books, customer, command.said, command.registered_at or command.said_at)) or is_new_word
    if not is_news:
        return Outcome("repeated")
    books.change(customer)
    return Outcome("booked")


def put_profile(books: Books, command: PutProfile) -> Outcome:
    refusal = _refusal(books, command)
    if refusal is not None:
        return refusal
    customer = books.customer(command.customer_id)
    is_registered = customer.profile_at is not None or customer.joined_on is not None
    changed = _tell(books, customer, command.said, books.now) | _keep_dates(books, customer, command.own_dates)
    if is_registered and not changed:
        return _answer(books, customer, is_new=False)
    if not is_registered and customer.joined_on is None:
        join(books, customer, books.now)
    customer.profile_at = max(books.now, customer.profile_at or books.now)
    books.change(customer)
    if not is_registered or not changed.isdisjoint(SHARED):
        _say(books, customer, command.event_id, changed, is_registered=is_registered)
    return _answer(books, customer)


def _refusal(books: Books, command: PutProfile) -> Outcome | None:
    known = books.customers.get(command.customer_id)
    if known is not None and known.erased_at is not None:
        return refused("customer-erased", f"customer {command.customer_id} was erased")
    email, birthday = command.said["email"], command.said["birthday"]
    if email is not None and not is_mail_address(email):
        return refused("email-invalid", "no mail can be sent to such an address", "/email")
    zone = books.programme.zone_of(command.said["time_zone"])
    if birthday is not None and birthday > books.now.astimezone(zone).date():
        return refused("birthday-in-future", f"{birthday} is still to come", "/birthday")
    return None


def join(books: Books, customer: Customer, instant: dt.datetime) -> bool:
    """Keep since when somebody is a customer: the earliest day that was heard of. Tells whether that changed."""
    day = instant.astimezone(_zone(books, customer)).date()
    if customer.joined_on is not None and customer.joined_on <= day:
        return False
    customer.joined_on = day
    _unplan(books, customer, {"joined_on"})
    return True


def _tell(books: Books, customer: Customer, said: Mapping[str, Any], entered_at: dt.datetime) -> set[str]:
    """Write what was said into a profile, and return what of it changed."""
    changed = {name for name, value in said.items() if _differs(name, getattr(customer, name), value)}
    for name in changed:
        setattr(customer, name, said[name])
    if "birthday" in changed:
        entered_on = entered_at.astimezone(_zone(books, customer)).date()
        customer.birthday_entered_on = None if customer.birthday is None else entered_on
    _unplan(books, customer, changed)
    return changed


def _differs(name: str, before: Any, value: Any) -> bool:
    # the database spells JSON in its own way
    return bool(orjson.loads(before) != orjson.loads(value) if name == "preferences" else before != value)


def _keep_dates(books: Books, customer: Customer, dates: Mapping[str, dt.date]) -> set[str]:
    """Keep these own dates and no others, and return which of them changed."""
    known, name = books.own_dates.setdefault(customer.customer_id, {}), customer.customer_id
    today = books.now.astimezone(_zone(books, customer)).date()
    gone = known.keys() - dates.keys()
    new = {each: day for each, day in dates.items() if each not in known or known[each].date != day}
    for each in gone:
        del known[each]
        books.changes.dropped_dates.add((name, each))
        books.changes.own_dates.pop((name, each), None)
    for each, day in new.items():
        known[each] = books.changes.own_dates[name, each] = OwnDate(name, each, day, today)
        books.changes.dropped_dates.discard((name, each))
    changed = {f"own:{each}" for each in (*gone, *new)}
    _unplan(books, customer, changed)
    return changed


def _unplan(books: Books, customer: Customer, changed: Collection[str]) -> None:
    """Let what was planned about days that changed be planned anew."""
    if changed and customer.customer_id not in books.changes.new_customers:
        names = touched(books.programme.occasions, changed)
        books.changes.unplanned |= {(customer.customer_id, f"occasion:{name}") for name in names}


def _zone(books: Books, customer: Customer) -> ZoneInfo:
    return books.programme.zone_of(customer.time_zone)


def _say(books: Books, customer: Customer, event_id: str, changed: Collection[str], *, is_registered: bool) -> None:
    said = {name: getattr(customer, name) for name in SHARED}
    data = {name: value for name, value in said.items() if value is not None or name in changed}
    if is_registered:
        tell_customers(books, customer.customer_id, "customer.updated", event_id, data)
    else:
        tell_customers(
            books, customer.customer_id, "customer.registered", event_id, data | {"registered_at": books.now}
        )


def _answer(books: Books, customer: Customer, *, is_new: bool = True) -> Outcome:
    # as it is now, whatever the same batch makes of it
    dates = dict(books.own_dates.get(customer.customer_id, {}))
    return Outcome("booked" if is_new else "repeated", customer=replace(customer), own_dates=dates, now=books.now)
