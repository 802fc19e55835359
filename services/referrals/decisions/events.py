"""What the world hears of a decision: events numbered for their customer, owed in the same transaction."""

from typing import Any

import orjson

from services.referrals.books import Books
from services.referrals.commands import SOURCE
from services.referrals.records import Customer, Referral

REFERRALS_TOPIC = "loyalty.referrals"


def emit(books: Books, customer: Customer, kind: str, data: dict[str, Any]) -> None:
    """Owe the world an event; the customer's lock orders its numbers, and the outbox with them."""
    customer.event_sequence += 1
    books.keep(customer)
    name = f"{customer.customer_id}:{customer.event_sequence}"
    _owe(books, customer.customer_id, customer.event_sequence, name, kind, data)


def _owe(books: Books, subject: str, number: int, name: str, kind: str, data: dict[str, Any]) -> None:
    event = {
        "specversion": "1.0",
        "id": name,
        "source": SOURCE,
        "type": f"loyalty.{kind}.v1",
        "subject": subject,
        "time": books.now,
        "sequence": f"{number:020d}",
        "datacontenttype": "application/json",
        "data": {"customer_id": subject, **data},
    }
    books.changes.outbox.append((REFERRALS_TOPIC, subject, orjson.dumps(event).decode()))


def tell_both(books: Books, referral: Referral, kind: str, **details: object) -> None:
    """Say something of a referral to the friend and, where it is a customer's, to the referrer."""
    tell_friend(books, referral, kind, **details)
    tell_referrer(books, referral, kind, **details)


def tell_friend(books: Books, referral: Referral, kind: str, **details: object) -> None:
    friend = books.customer(referral.friend_id)
    emit(books, friend, kind, _said(books, referral, "friend", details))


def tell_referrer(books: Books, referral: Referral, kind: str, **details: object) -> None:
    if referral.referrer_id is not None:
        emit(books, books.customer(referral.referrer_id), kind, _said(books, referral, "referrer", details))


def tell_partner(books: Books, referral: Referral, kind: str, **details: object) -> None:
    """Say something of a referral to the partner whose code it was; their lock orders the numbers."""
    if referral.partner_id is None:
        return
    partner = books.partners[referral.partner_id]
    partner.event_sequence += 1
    books.changes.partners[partner.partner_id] = partner
    # no customer's id has an @, so no event of theirs has this name
    name = f"partner@{partner.partner_id}:{partner.event_sequence}"
    said = _said(books, referral, "referrer", details)
    _owe(books, partner.partner_id, partner.event_sequence, name, kind, said)


def _said(books: Books, referral: Referral, side: str, details: dict[str, object]) -> dict[str, Any]:
    owner = (
        {"partner_id": referral.partner_id} if referral.referrer_id is None else {"referrer_id": referral.referrer_id}
    )
    return {
        "referral_id": referral.referral_id,
        "side": side,
        "code": referral.code,
        "friend_id": referral.friend_id,
        **owner,
        "programme_version": referral.programme_version,
        "occurred_at": books.now,
        **details,
    }
