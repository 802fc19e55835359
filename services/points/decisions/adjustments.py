"""Points by hand: booked at once, or proposed by one API key and decided by another where they are above its limit."""

import datetime as dt
from dataclasses import replace
from typing import Literal

from services.points.books import Books
from services.points.commands import AdjustBalance, ApproveAdjustment, Outcome, RejectAdjustment, refused
from services.points.decisions import entries
from services.points.decisions.accounts import insufficient, keep_alive
from services.points.decisions.events import say
from services.points.records import Account, Adjustment, Entry


def adjust_balance(books: Books, command: AdjustBalance) -> Outcome:
    adjustment = _asked(books, command)
    refusal = _refusal(books, adjustment, allow_debt=command.allow_debt)
    if refusal is not None:
        return refusal
    account = books.accounts[command.customer_id]
    adjustment.customer_id = account.customer_id
    if not _is_within_limit(books, adjustment):
        adjustment.status = "awaits_approval"
        books.changes.adjustments[adjustment.adjustment_id] = adjustment
        books.adjustments[adjustment.adjustment_id] = adjustment
        return _answer("waiting", account, adjustment)
    _count(books, adjustment)
    return _answer("booked", account, adjustment, _book(books, account, adjustment, command.occurred_at))


def _asked(books: Books, command: AdjustBalance) -> Adjustment:
    return Adjustment(
        command.adjustment_id,
        command.customer_id,
        command.points,
        command.reason,
        command.note,
        command.actor,
        command.kind,
        command.expires_on,
        books.now,
        books.today,
    )


def _refusal(books: Books, asked: Adjustment, *, allow_debt: bool = False) -> Outcome | None:
    """Return why it can't be booked as things stand, whether now or by whoever approves it."""
    account = books.accounts.get(asked.customer_id)
    if account is None:
        return refused("account-unknown", f"customer {asked.customer_id} has no account", "/customer_id")
    if account.status == "closed":
        return refused("account-closed", f"the account of customer {asked.customer_id} is closed", "/customer_id")
    if asked.points < 0 and not allow_debt and account.available < -asked.points:
        return insufficient(account, -asked.points)
    if asked.expires_on is not None and asked.expires_on < books.today:
        return refused("expires-in-past", f"{asked.expires_on} is over", "/expires_on")
    return None


# The limit of an API key


def _is_within_limit(books: Books, asked: Adjustment) -> bool:
    """Tell whether a key may give that by itself; what is taken is not limited, and frees nothing."""
    limit = books.programme.credit_limit_per_day
    return limit is None or asked.points < 0 or books.given_by_hand.get(asked.actor, 0) + asked.points <= limit


def _count(books: Books, booked: Adjustment) -> None:
    if booked.points > 0:
        given, on = books.changes.given_by_hand, (booked.actor, books.today)
        given[on] = given.get(on, 0) + booked.points
        books.given_by_hand[booked.actor] = books.given_by_hand.get(booked.actor, 0) + booked.points


# What another key decides


def approve_adjustment(books: Books, command: ApproveAdjustment) -> Outcome:
    found = books.adjustments.get(command.adjustment_id)
    if found is None:
        return _unknown(command.adjustment_id)
    if found.actor == command.actor:
        return refused("approval-of-own", f"{command.actor} proposed it: another API key has to approve it")
    if found.status == "booked" and found.decided_by is not None:
        return _repeated(books, found)
    if found.status != "awaits_approval":
        return _decided(found)
    refusal = _refusal(books, found)
    if refusal is not None:
        return refusal._replace(pointer=None)
    account = books.accounts[found.customer_id]
    _decide(books, found, "booked", command.actor)
    return _answer("booked", account, found, _book(books, account, found, books.now))


def reject_adjustment(books: Books, command: RejectAdjustment) -> Outcome:
    found = books.adjustments.get(command.adjustment_id)
    if found is None:
        return _unknown(command.adjustment_id)
    if found.status == "rejected":
        return _repeated(books, found)
    if found.status == "booked":
        return _decided(found)
    _decide(books, found, "rejected", command.actor)
    books.changes.adjustments[found.adjustment_id] = found
    return _answer("booked", books.accounts[found.customer_id], found)


def _decide(books: Books, found: Adjustment, status: Literal["booked", "rejected"], actor: str) -> None:
    found.status, found.decided_by, found.decided_at = status, actor, books.now


def _unknown(adjustment_id: str) -> Outcome:
    return refused("adjustment-unknown", f"there is no adjustment {adjustment_id}")


def _decided(found: Adjustment) -> Outcome:
    by = "at once" if found.decided_by is None else f"by {found.decided_by}"
    return refused("adjustment-decided", f"it was {found.status} {by}")


def _repeated(books: Books, found: Adjustment) -> Outcome:
    return _answer("repeated", books.accounts[found.customer_id], found)


# The booking


def _book(books: Books, account: Account, adjustment: Adjustment, at: dt.datetime) -> Entry:
    if adjustment.points > 0:
        keep_alive(books, account)
        lot = entries.given_lot(books, adjustment.points, adjustment.expires_on)
        entry = entries.credit(books, account, "adjustment", adjustment.points, adjustment.adjustment_id, at, lot=lot)
    else:
        entry = entries.debit(books, account, "adjustment", -adjustment.points, adjustment.adjustment_id, at)
    # of an account that was merged since, in whose entries it stands now
    adjustment.customer_id, adjustment.entry_sequence = account.customer_id, entry.sequence
    books.adjustments[adjustment.adjustment_id] = books.changes.adjustments[adjustment.adjustment_id] = adjustment
    data = {
        "adjustment_id": adjustment.adjustment_id,
        "kind": adjustment.kind,
        "reason": adjustment.reason,
        "breakdown": [{"rule": "adjustment", "points": adjustment.points}],
    }
    own_date = {} if adjustment.expires_on is None else {"expires_on": adjustment.expires_on}
    say(books, account, "loyalty.points.adjusted.v1", entry, data | own_date)
    return entry


def _answer(
    status: Literal["booked", "repeated", "waiting"],
    account: Account,
    adjustment: Adjustment,
    entry: Entry | None = None,
) -> Outcome:
    return Outcome(
        status,
        account=account,
        balance=account.balance,
        entry=entry,
        # as it is now, whatever the same batch makes of it
        adjustment=replace(adjustment),
    )
