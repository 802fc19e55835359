"""The journal's accounts: which of them an entry moves points between, as double-entry bookkeeping has it."""

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

BookAccount = Literal[
    "outstanding",
    "pending",
    "held",
    "owed",
    "expense",
    "adjustments",
    "redemptions",
    "breakage",
    "write_offs",
    "transfers",
]

SIDES: tuple[BookAccount, ...] = ("outstanding", "pending", "held", "owed")
"""What customers have, as liabilities, and what they owe; the other accounts say why it changed."""

NAMES: Mapping[str, str] = {
    "outstanding": "points outstanding",
    "pending": "points pending",
    "held": "points held",
    "owed": "points owed by customers",
    "expense": "loyalty expense",
    "adjustments": "goodwill and corrections",
    "redemptions": "points redeemed",
    "breakage": "breakage income",
    "write_offs": "points written off",
    "transfers": "transfers between customers",
}
"""The accounts' names where a shop has given no others."""

AGAINST: Mapping[str, BookAccount] = {
    "award": "expense",
    "clawback": "expense",
    "grant": "expense",
    "revocation": "expense",
    "adjustment": "adjustments",
    "redemption": "redemptions",
    "restoration": "redemptions",
    "expiry": "breakage",
    "erasure": "breakage",
    "write_off": "write_offs",
    "transfer_in": "transfers",
    "transfer_out": "transfers",
    "activation": "pending",
    "hold": "held",
    "release": "held",
}
"""The account that stands against the sides of a balance, by the kind of entry; for those that only move points, the side
from or to which they move them."""


class Posting(NamedTuple):
    """Points from one account to another."""

    debit: BookAccount
    credit: BookAccount
    points: int


def postings(kind: str, rises: Mapping[BookAccount, int], falls: Mapping[BookAccount, int]) -> Iterator[Posting]:
    """Return what entries of a kind post, by how much each side of the balances rose and fell with them.

    What customers owe rises towards zero: a debt is a side below it.
    """
    against = AGAINST[kind]
    for side in SIDES:
        if side != against and rises[side]:
            yield Posting(against, side, rises[side])
        if side != against and falls[side]:
            yield Posting(side, against, falls[side])
