"""Customers who are erased: their account ends with its balance booked off, and nothing is done for them any more."""

from collections.abc import Iterator

from services.points.books import Books
from services.points.commands import (
    AwardPurchase,
    ClaimPurchase,
    Command,
    EndCoupon,
    EraseCustomer,
    GivePoints,
    GrantPoints,
    MergeAccounts,
    Outcome,
    PassOn,
    RefundPurchase,
    RevokeGrant,
    SettlePurchase,
)
from services.points.decisions import entries
from services.points.decisions.events import CUSTOMERS_TOPIC, hear, is_heard, relay, say
from services.points.decisions.holds import free, open_holds
from services.points.records import Account, Entry
from shared.withholding import withhold

REFERENCE = "customer erased"


def erase_customer(books: Books, command: EraseCustomer) -> Outcome:
    if is_heard(books, command.origin):
        return Outcome("repeated")
    hear(books, command.origin)
    account = books.accounts.get(command.customer_id)
    if account is not None and account.status == "erased":
        return Outcome("repeated")
    _withhold(books, command.customer_id, account)
    if account is None:
        # nobody can open one any more
        account = Account(command.customer_id, None, "active", 0, 0, 0, 0, 0, 0, books.now, books.version)
        books.accounts[account.customer_id] = account
        books.changes.accounts.append(account)
    else:
        _book_off(books, account)
    _end(books, account)
    relay(books, CUSTOMERS_TOPIC, command.customer_id, command.origin)
    return Outcome("booked")


def _withhold(books: Books, customer_id: str, account: Account | None) -> None:
    """Note by which names the person is known, and owe the world nothing of them that is not told yet."""
    names = {customer_id, *(name for name, each in books.accounts.items() if each is account)}
    if account is not None:
        names |= {account.customer_id, *books.merged.get(account.customer_id, ())}
    keys = names | ({account.card_number} if account is not None and account.card_number is not None else set())
    books.erased |= names
    books.changes.erased.extend(sorted(names))
    books.changes.withheld |= keys
    books.changes.outbox = list(withhold(books.changes.outbox, keys))


def _book_off(books: Books, account: Account) -> None:
    """End what is held, what is owed and what is there, in this order."""
    for hold in open_holds(books, account):
        free(books, account, hold, "released", books.now)
    if account.available < 0:
        debt = -account.available
        _say(books, account, entries.credit(books, account, "erasure", debt, REFERENCE, books.now))
    left = [lot for lot in books.lots[account.customer_id] if lot.remaining]
    if left:
        entry = entries.write(
            books,
            account,
            "erasure",
            REFERENCE,
            books.now,
            available=-account.available,
            pending=-account.pending,
        )
        entries.allocate(books, account, entry.sequence, [(lot, lot.remaining) for lot in left])
        _say(books, account, entry)


def _say(books: Books, account: Account, entry: Entry) -> None:
    breakdown = [{"rule": "erasure", "points": entry.points}]
    say(books, account, "loyalty.points.adjusted.v1", entry, {"reason": REFERENCE, "breakdown": breakdown})


def _end(books: Books, account: Account) -> None:
    account.status, account.card_number, account.pool_id = "erased", None, None
    account.due_at = account.inactive_on = account.tier_review_on = None
    account.tier_floor = account.tier_floor_until = None
    books.changes.changed_accounts[account.customer_id] = account
    books.changes.changed_standings[account.customer_id] = account


# Whoever asks for something for them later


def concerned(books: Books, command: Command) -> Iterator[str | None]:
    """Give the customers that a command is about, named by it or by what it changes; whoever is erased is nobody's."""
    match command:
        case EraseCustomer():
            return
        case PassOn(key=key):
            yield key
        case AwardPurchase(purchase=purchase):
            yield purchase.customer_id
            yield books.cards.get(purchase.card_number or "")
            yield _buyer(books, purchase.shop_id, purchase.invoice_number)
        case RefundPurchase(refund=refund):
            yield refund.customer_id
            yield _buyer(books, refund.shop_id, refund.invoice_number)
        case (
            ClaimPurchase(shop_id=shop_id, invoice_number=invoice)
            | SettlePurchase(shop_id=shop_id, invoice_number=invoice)
        ):
            yield _buyer(books, shop_id, invoice)
        case GrantPoints() | RevokeGrant():
            grant = books.grants.get((command.source, command.reward_id))
            yield None if grant is None else grant.customer_id
        case EndCoupon(code=code):
            yield books.coupons[code].customer_id if code in books.coupons else None
        case MergeAccounts(into=other) | GivePoints(to=other):
            yield other
    yield getattr(command, "customer_id", None)
    yield from _of_what_is_changed(books, command)


def _buyer(books: Books, shop_id: str, invoice_number: str) -> str | None:
    purchase = books.purchases.get((shop_id, invoice_number))
    return None if purchase is None else purchase.customer_id


def _of_what_is_changed(books: Books, command: Command) -> Iterator[str]:
    for kept, name in (
        (books.redemptions, "redemption_id"),
        (books.claims, "claim_id"),
        (books.adjustments, "adjustment_id"),
    ):
        found = kept.get(getattr(command, name, ""))
        if found is not None:
            yield found.customer_id
