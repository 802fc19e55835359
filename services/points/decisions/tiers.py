"""Tiers: raised at once by what is earned, lowered only by a review, told ahead (rule 22)."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Literal

from services.points.books import Books
from services.points.commands import Account, Outcome
from services.points.decisions.events import emit
from services.points.programme import Tiers
from services.points.rules import dates, tiers
from services.points.rules.tiers import Counts, Standing

NONE = Counts(Decimal(0))


def standing_of(books: Books, account: Account) -> Standing | None:
    """Return the customer's tier as answers show it; none where the programme has none."""
    levels = books.programme.tiers
    if levels is None:
        return None
    since = account.tier_since or books.programme.local_day(account.enrolled_at)
    count = books.counts.get(account.customer_id, NONE).now
    return tiers.standing(levels, levels.level(account.tier), since, count)


def answer(status: Literal["booked", "repeated"], books: Books, account: Account) -> Outcome:
    """Answer with the account as it is now."""
    return Outcome(status, account=account, balance=account.balance, standing=standing_of(books, account))


def upgrade(books: Books, account: Account, day: dt.date, *, points: int, spend: Decimal) -> None:
    """Count what was earned on a day, and raise the tier whose threshold that crosses."""
    levels = books.programme.tiers
    if levels is None:
        return
    counts = _add(books, account, levels, day, points=points, spend=spend)
    raise_to(books, account, levels, tiers.earned(levels, counts.now), "earned")


def lower(books: Books, account: Account, day: dt.date, *, points: int, spend: Decimal) -> None:
    """Count what was taken back of a day; the tier itself stays until its review."""
    if books.programme.tiers is not None:
        _add(books, account, books.programme.tiers, day, points=-points, spend=-spend)


def _add(books: Books, account: Account, levels: Tiers, day: dt.date, *, points: int, spend: Decimal) -> Counts:
    more = Decimal(points) if levels.counts == "points" else spend
    counts = books.counts.get(account.customer_id, NONE)
    since, before = tiers.window(levels, books.today)
    if day >= since:
        counts = replace(counts, now=counts.now + more)
    elif day >= before:
        counts = replace(counts, before=counts.before + more)
    books.counts[account.customer_id] = counts
    return counts


def raise_to(books: Books, account: Account, levels: Tiers, place: int, reason: str) -> None:
    if place > levels.level(account.tier):
        put(books, account, levels, place, reason)


def put(books: Books, account: Account, levels: Tiers, place: int, reason: str) -> None:
    """Give the account another tier, and say so."""
    before, name = levels.levels[levels.level(account.tier)].name, levels.levels[place].name
    account.tier, account.tier_since = name, books.today
    account.tier_announced = False
    account.tier_review_on = tiers.review_on(levels, books.today) if place else None
    watch_review(books, account, levels)
    books.changes.changed_standings[account.customer_id] = account
    data = {"customer_id": account.customer_id, "from": before, "to": name, "since": books.today.isoformat()}
    emit(books, account, "loyalty.tier.changed.v1", data | {"reason": reason})
    change = (account.customer_id, account.event_sequence, books.today, before, name, reason)
    books.changes.tier_changes.append(change)


def end_floor(books: Books, account: Account, levels: Tiers, reason: str) -> None:
    """Take a floor away; the tier that only it held becomes what was earned, whatever the policy says of reviews."""
    only_held = levels.level(account.tier) <= levels.level(account.tier_floor)
    account.tier_floor = account.tier_floor_until = None
    books.changes.changed_standings[account.customer_id] = account
    place = tiers.worth(levels, books.counts.get(account.customer_id, NONE))
    if only_held and place != levels.level(account.tier):
        put(books, account, levels, place, reason)


def watch_review(books: Books, account: Account, levels: Tiers) -> None:
    """Have the account looked at when its tier is to be reviewed, or that told."""
    due = review_due_at(books, account, levels)
    if due is not None and (account.due_at is None or due < account.due_at):
        account.due_at = due
        books.changes.changed_accounts[account.customer_id] = account


def review_due_at(books: Books, account: Account, levels: Tiers) -> dt.datetime | None:
    zone, due = books.programme.zone, []
    if account.tier_review_on is not None:
        told = 0 if account.tier_announced else levels.announce_days
        due.append(dates.start_of(account.tier_review_on - dt.timedelta(days=told), zone))
    if account.tier_floor_until is not None:
        due.append(dates.end_of(account.tier_floor_until, zone))
    return min(due, default=None)


def settle_tier(books: Books, account: Account) -> None:
    """Do what is due about a tier: raise it where the count allows, end a floor, review, tell what a review would do."""
    levels = books.programme.tiers
    if levels is None:
        return
    counts = books.counts.get(account.customer_id, NONE)
    raise_to(books, account, levels, tiers.earned(levels, counts.now), "earned")
    if account.tier_floor_until is not None and account.tier_floor_until < books.today:
        end_floor(books, account, levels, "floor ended")
    due_on = account.tier_review_on
    if due_on is not None and due_on <= books.today:
        _review(books, account, levels, counts)
    elif due_on is not None and not account.tier_announced:
        _announce(books, account, levels, counts, due_on)


def _review(books: Books, account: Account, levels: Tiers, counts: Counts) -> None:
    place = levels.level(account.tier)
    floor = levels.level(account.tier_floor)
    after = max(tiers.reviewed(levels, place, counts), floor)
    next_on = account.tier_review_on
    while next_on is not None and next_on <= books.today:
        next_on = dates.add_months(next_on, 12)
    if after != place:
        put(books, account, levels, after, "reviewed")
    account.tier_review_on = next_on if after else None
    account.tier_announced = False
    books.changes.changed_standings[account.customer_id] = account


def _announce(books: Books, account: Account, levels: Tiers, counts: Counts, due_on: dt.date) -> None:
    """Tell once, ahead of time, what a review would take (rule 22)."""
    if due_on - dt.timedelta(days=levels.announce_days) > books.today:
        return
    account.tier_announced = True
    books.changes.changed_standings[account.customer_id] = account
    place = levels.level(account.tier)
    after = max(tiers.reviewed(levels, place, counts), levels.level(account.tier_floor))
    if after >= place:
        return
    data = {
        "customer_id": account.customer_id,
        "tier": levels.levels[place].name,
        "to": levels.levels[after].name,
        "on": due_on.isoformat(),
        "missing": tiers.to_keep(levels, place, counts),
    }
    emit(books, account, "loyalty.tier.expiring.v1", data)
