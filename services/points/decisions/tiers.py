"""Tiers: raised at once by what is earned, lowered only by a review, told ahead (rule 22)."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Literal

from services.points.books import Books
from services.points.commands import Outcome
from services.points.decisions.events import emit
from services.points.programme import Tiers
from services.points.records import Account, Purchase
from services.points.rules import dates, tiers
from services.points.rules.earning import PassedOver
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


def answer(
    status: Literal["booked", "repeated"],
    books: Books,
    account: Account,
    *,
    purchase: Purchase | None = None,
    passed_over: Sequence[PassedOver] = (),
) -> Outcome:
    """Answer with the account as it is now."""
    return Outcome(
        status,
        purchase=purchase,
        account=account,
        balance=account.balance,
        standing=standing_of(books, account),
        passed_over=passed_over,
        now=books.now,
    )


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


def put(
    books: Books, account: Account, levels: Tiers, place: int, reason: str, *, since: dt.date | None = None
) -> None:
    """Give the account another tier, today unless it was due on an earlier day, and say so."""
    since = since or books.today
    before, name = levels.levels[levels.level(account.tier)].name, levels.levels[place].name
    account.tier, account.tier_since = name, since
    account.tier_announced = False
    account.tier_review_on = tiers.review_on(levels, since) if place else None
    watch_review(books, account, levels)
    books.changes.changed_standings[account.customer_id] = account
    data = {"customer_id": account.customer_id, "from": before, "to": name, "since": since}
    emit(books, account, "loyalty.tier.changed.v1", data | {"reason": reason})
    change = (account.customer_id, account.event_sequence, since, before, name, reason)
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
    _be_reviewed(books, account, levels)
    while (due_on := account.tier_review_on) is not None and due_on <= books.today:
        _review(books, account, levels, due_on)
    if account.tier_review_on is not None and not account.tier_announced:
        _announce(books, account, levels, account.tier_review_on)


def _be_reviewed(books: Books, account: Account, levels: Tiers) -> None:
    """Give a tier its first review where it comes from a programme that had none."""
    if account.tier_review_on is None and levels.level(account.tier):
        account.tier_review_on = tiers.review_on(levels, books.today)
        books.changes.changed_standings[account.customer_id] = account


def _review(books: Books, account: Account, levels: Tiers, due_on: dt.date) -> None:
    """Review a tier as on the day on which that is due, however late it is."""
    place = levels.level(account.tier)
    counts = _counts_on(books, account, levels, due_on)
    after = max(tiers.reviewed(levels, place, counts), levels.level(account.tier_floor))
    if after != place:
        put(books, account, levels, after, "reviewed", since=due_on)
    account.tier_review_on = tiers.next_review_on(levels, due_on) if after else None
    account.tier_announced = False
    books.changes.changed_standings[account.customer_id] = account


def _counts_on(books: Books, account: Account, levels: Tiers, day: dt.date) -> Counts:
    if day == books.today:
        return books.counts.get(account.customer_id, NONE)
    return tiers.counted(levels, books.days.get(account.customer_id, ()), day)


def _announce(books: Books, account: Account, levels: Tiers, due_on: dt.date) -> None:
    """Tell once, ahead of time, what a review would take by what will count then (rule 22)."""
    # a tier that was given a moment ago has not had its days loaded: it is told when the account is next looked at
    if due_on - dt.timedelta(days=levels.announce_days) > books.today or account.customer_id not in books.days:
        return
    account.tier_announced = True
    books.changes.changed_standings[account.customer_id] = account
    place, counts = levels.level(account.tier), _counts_on(books, account, levels, due_on)
    after = max(tiers.reviewed(levels, place, counts), levels.level(account.tier_floor))
    if after >= place:
        return
    data = {
        "customer_id": account.customer_id,
        "tier": levels.levels[place].name,
        "to": levels.levels[after].name,
        "on": due_on,
        "missing": tiers.to_keep(levels, place, counts),
        "counts": levels.counts,
    }
    emit(books, account, "loyalty.tier.expiring.v1", data)
