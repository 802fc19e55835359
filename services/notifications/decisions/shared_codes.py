"""The life of a code for everybody: kept for baskets, taken by purchases, until its budget or its time is over (rule 27)."""

import datetime as dt
from dataclasses import replace

from services.notifications.books import Books
from services.notifications.commands import (
    CreateShared,
    EndShared,
    Outcome,
    RedeemCoupon,
    ReleaseCoupon,
    ReserveCoupon,
    refused,
)
from services.notifications.decisions.events import emit
from services.notifications.decisions.pricing import (
    STATES,
    Judged,
    beside,
    judge,
    refuse,
    reprice,
    terms_of_shared,
    used_by_others,
)
from services.notifications.records import Kept, SharedCode, Use
from services.notifications.rules.coupons import ZERO, Used, over_budget


def create_shared(books: Books, command: CreateShared) -> Outcome:
    if command.code in books.shared or command.code in books.by_code:
        return refused("code-taken", f"{command.code} is a code already", "/code")
    shared = SharedCode(
        command.code,
        command.value,
        command.titles,
        command.categories,
        command.stacks,
        books.programme.coupons.full_refund_frees if command.refund_frees is None else command.refund_frees,
        command.most_uses,
        command.most_amount,
        command.currency,
        command.most_per_customer,
        0,
        ZERO,
        command.valid_from,
        command.valid_until,
        books.now,
    )
    books.shared[shared.code] = books.changes.new_shared[shared.code] = shared
    waiting = [use for use in books.uses.values() if use.code == shared.code and use.status == "unknown"]
    for use in sorted(waiting, key=lambda each: (each.occurred_at, each.key)):
        use_shared(books, shared, use)
    return _answer(books, shared)


def end_shared(books: Books, command: EndShared) -> Outcome:
    shared = books.shared.get(command.code)
    if shared is None:
        return refused("code-unknown", f"there is no shared code {command.code}")
    if shared.ended_at is not None:
        return _answer(books, shared, is_new=False)
    shared.ended_at, shared.reason = books.now, command.reason
    books.keep_shared(shared)
    return _answer(books, shared)


def lapse_shared(books: Books, kept: Kept) -> None:
    """Book what time alone brings: a basket's time is over."""
    if kept.reserved_until <= books.now:
        _give_up(books, books.shared[kept.code], kept)


# At the till


def reserve_shared(books: Books, shared: SharedCode, command: ReserveCoupon) -> Outcome:
    """Keep a use for a basket; the same basket keeps it for longer, for what is in it now."""
    before = books.kept.get((shared.code, command.reservation))
    found = _judge(books, shared, command, before)
    # or it could be kept for ever
    over = STATES.get(shared.status_at(books.now)) or found.refused
    if over is not None:
        return refuse(over)
    if before is not None:
        _give_up(books, shared, before)
    until = books.now + dt.timedelta(seconds=command.seconds)
    kept = Kept(shared.code, command.reservation, until, _customer(command, before), found.worth)
    books.keep_for(kept)
    _count(books, shared, kept, 1)
    return _answer(books, shared, kept=kept, is_new=before is None)


def release_shared(books: Books, shared: SharedCode, command: ReleaseCoupon) -> Outcome:
    kept = books.kept.get((shared.code, command.reservation))
    if kept is None:
        return _answer(books, shared, is_new=False)
    _give_up(books, shared, kept)
    return _answer(books, shared)


def redeem_shared(books: Books, shared: SharedCode, command: RedeemCoupon) -> Outcome:
    """Take a use for a purchase; what a basket kept is taken as it was kept, unless it says what is in it now."""
    known = books.uses.get((shared.code, command.shop_id, command.invoice_number))
    kept = None if command.reservation is None else books.kept.get((shared.code, command.reservation))
    if known is not None and known.status == "redeemed":
        if kept is not None:
            _give_up(books, shared, kept)
        return _answer(books, shared, use=known, is_new=False)
    found = _judge(books, shared, command, kept)
    if found.refused is not None:
        return refuse(found.refused)
    key, customer_id = (command.shop_id, command.invoice_number), _customer(command, kept)
    use = Use(shared.code, *key, "redeemed", books.now, customer_id, found.worth)
    reprice(books, use.sale_key, found.beside)
    _take(books, shared, use, kept)
    return _answer(books, shared, use=use)


def _customer(command: ReserveCoupon | RedeemCoupon, kept: Kept | None) -> str | None:
    if command.basket is not None:
        return command.basket.customer_id
    return None if kept is None else kept.customer_id


def _judge(books: Books, shared: SharedCode, command: ReserveCoupon | RedeemCoupon, kept: Kept | None) -> Judged:
    if kept is not None and command.basket is None:
        return Judged(kept.amount)
    state = STATES.get(shared.status_at(books.now))
    if state is not None and kept is None:
        return Judged(refused=state)
    sale = (command.shop_id, command.invoice_number) if isinstance(command, RedeemCoupon) else None
    others = beside(books, shared.code, command.reservation, sale)
    used = _used(books, shared, _customer(command, kept), kept)
    return judge(terms_of_shared(shared), used, command.basket, others)


# In purchases


def use_shared(books: Books, shared: SharedCode, use: Use) -> None:
    """Let a purchase that is paid have a use, or note that nothing was left for it.

    What its customer keeps is for it: whoever pays without saying for which basket has one all the same.
    """
    kept = min(
        (each for each in books.kept.values() if use.customer_id and _is_of(each, shared, use.customer_id)),
        key=lambda each: (each.reserved_until, each.key),
        default=None,
    )
    used = _used(books, shared, use.customer_id, kept)
    found = STATES.get(shared.status_at(use.occurred_at)) or over_budget(
        terms_of_shared(shared).budget, used, use.amount or ZERO, use.customer_id
    )
    if found is None:
        _take(books, shared, use, kept)
    else:
        use.status, use.reason = "conflict", found.reason
        books.keep_use(use)


def _is_of(kept: Kept, shared: SharedCode, customer_id: str) -> bool:
    return (kept.code, kept.customer_id) == (shared.code, customer_id)


def free_shared(books: Books, shared: SharedCode, use: Use) -> None:
    """Make room again for a purchase that was taken back as a whole; codes that say so stay used."""
    if not shared.refund_frees:
        books.keep_used(use)
        return
    use.status = "freed"
    books.keep_use(use)
    _count(books, shared, use, -1)


# Counting


def _used(books: Books, shared: SharedCode, customer_id: str | None, kept: Kept | None) -> Used:
    had = 0 if customer_id is None else books.had[shared.code, customer_id]
    return used_by_others(shared, kept, customer_id, had)


def _take(books: Books, shared: SharedCode, use: Use, kept: Kept | None) -> None:
    if kept is not None:
        _give_up(books, shared, kept)
    use.status, use.reason = "redeemed", None
    books.keep_use(use)
    _count(books, shared, use, 1)
    if use.customer_id is not None:
        place = {"shop_id": use.shop_id, "invoice_number": use.invoice_number}
        emit(books, use.customer_id, "coupon.redeemed", {"code": shared.code, "shared": True, **place})


def _give_up(books: Books, shared: SharedCode, kept: Kept) -> None:
    books.keep_no_longer(kept)
    _count(books, shared, kept, -1)


def _count(books: Books, shared: SharedCode, use: Use | Kept, by: int) -> None:
    shared.uses += by
    shared.amount += by * (use.amount or ZERO)
    if use.customer_id is not None:
        books.had[shared.code, use.customer_id] += by
    books.keep_shared(shared)


def _answer(
    books: Books, shared: SharedCode, *, use: Use | None = None, kept: Kept | None = None, is_new: bool = True
) -> Outcome:
    # as it is now, whatever the same batch makes of it
    return Outcome(
        "booked" if is_new else "repeated",
        shared=replace(shared),
        use=use and replace(use),
        kept=kept and replace(kept),
        now=books.now,
    )
