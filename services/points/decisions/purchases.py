"""Purchases: booked once whichever way they came, awarded to their customer, or kept until they have one."""

import datetime as dt
from decimal import Decimal
from typing import Any

from services.points.books import Books, Progress
from services.points.commands import AwardPurchase, ClaimPurchase, Outcome, refused
from services.points.decisions import entries, snapshots
from services.points.decisions.accounts import open_account
from services.points.decisions.events import PURCHASES_TOPIC, hear, is_heard, relay, say
from services.points.decisions.expiry import end_late
from services.points.decisions.payments import pay
from services.points.decisions.refunds import claw_back_booked, settle_waiting
from services.points.decisions.tiers import answer, upgrade
from services.points.programme import Programme, Version
from services.points.records import Account, Purchase
from services.points.rules import dates, draws, earning
from services.points.rules.lots import Lot
from shared.contracts.purchases import PurchaseCompleted
from shared.dates import is_ahead
from shared.requests import Done, Origin

ZERO = Decimal(0)
MOST_POINTS = 10**12
"""As many as an event of the contract can say; a total that is mistyped by so much is not to be kept."""

NOTHING = earning.Terms(0, earning.ONE, ZERO, ZERO, ZERO)


def award_purchase(books: Books, command: AwardPurchase) -> Outcome:
    purchase, origin = command.purchase, command.origin
    known = books.purchases.get((purchase.shop_id, purchase.invoice_number))
    if is_heard(books, origin):
        return repeated(books, known)
    owner = books.cards.get(purchase.card_number) if purchase.card_number is not None else None
    customer_id = purchase.customer_id or owner
    if owner is not None and not _is_same(books, owner, customer_id):
        return refused(
            "card-of-another-customer",
            f"card {purchase.card_number} does not belong to customer {customer_id}",
            "/card_number",
        )
    if known is None or known.status == "awaited":
        return _new_purchase(books, command, customer_id, awaited=known)
    difference = _difference(books, known, purchase, customer_id)
    if difference is not None:
        return refused(
            "purchase-conflict",
            f"purchase {purchase.invoice_number} of {purchase.shop_id} is booked with another {difference}",
            f"/{difference}",
        )
    if known.customer_id is None and (customer_id is not None or _names_card(known, purchase)):
        return _name_buyer(books, command, known, customer_id)
    hear(books, origin)
    return repeated(books, known)


def _is_same(books: Books, first: str, second: str | None) -> bool:
    """Tell whether two ids name one customer, also after a merge."""
    account = books.accounts.get(first)
    return first == second or (account is not None and second is not None and account is books.accounts.get(second))


def _difference(books: Books, known: Purchase, said: PurchaseCompleted, customer_id: str | None) -> str | None:
    """Name the first field in which a repeat contradicts the booked purchase; values are compared, not spellings."""
    if (
        customer_id is not None
        and known.customer_id is not None
        and not _is_same(books, known.customer_id, customer_id)
    ):
        return "customer_id"
    if known.currency != said.currency:
        return "currency"
    for name in ("total", "shipping", "gift_cards", "points_paid"):
        if getattr(known, name) != getattr(said, name):
            return name
    return None


def repeated(books: Books, known: Purchase | None) -> Outcome:
    account = books.accounts.get(known.customer_id) if known is not None and known.customer_id else None
    if account is None:
        return Outcome("repeated", purchase=known)
    return answer("repeated", books, account, purchase=known)


def _new_purchase(
    books: Books, command: AwardPurchase, customer_id: str | None, *, awaited: Purchase | None
) -> Outcome:
    purchase, origin = command.purchase, command.origin
    occurred_at = purchase.occurred_at or origin.time or origin.received_at
    version = books.versions.at(occurred_at)
    refusal = _refusal(purchase, version.programme, occurred_at, origin)
    if refusal is not None:
        return refusal
    waits_for_card = customer_id is None and purchase.card_number is not None
    if waits_for_card and not command.park:
        return _card_unknown(purchase)
    record = _record(books, purchase, origin, occurred_at, awaited=awaited)
    record.customer_id = customer_id
    hear(books, origin)
    key = customer_id or purchase.card_number or f"{purchase.shop_id}/{purchase.invoice_number}"
    relay(books, PURCHASES_TOPIC, key, origin)
    if customer_id is None or (customer_id not in books.accounts and not version.programme.enrol_buyers):
        return _keep_unclaimed(books, record, purchase, parked=waits_for_card)
    account = open_account(books, customer_id, occurred_at, origin)
    record.customer_id = account.customer_id
    # before the award, whose points can't pay for what earned them
    pay(books, record, account, purchase)
    passed_over = _award(books, record, account, purchase, origin, explain=command.explain)
    settle_waiting(books, record)
    return answer("booked", books, account, purchase=record, passed_over=passed_over)


def _card_unknown(purchase: PurchaseCompleted) -> Outcome:
    return refused("card-unknown", f"no account has card {purchase.card_number}", "/card_number")


def _refusal(
    purchase: PurchaseCompleted, programme: Programme, occurred_at: dt.datetime, origin: Origin
) -> Outcome | None:
    if is_ahead(occurred_at, origin.received_at):
        return refused("occurred-in-future", f"{occurred_at} is more than 24 hours ahead", "/occurred_at")
    if purchase.currency not in programme.rates:
        return refused(
            "currency-unsupported",
            f"the programme has no rate for {purchase.currency}, only for {', '.join(programme.rates)}",
            "/currency",
        )
    if (purchase.total + purchase.discount) * programme.most_for(purchase.currency) > MOST_POINTS:
        return refused("points-too-many", f"a purchase earns at most {MOST_POINTS} points", "/total")
    return None


def _record(
    books: Books, purchase: PurchaseCompleted, origin: Origin, occurred_at: dt.datetime, *, awaited: Purchase | None
) -> Purchase:
    record = awaited or Purchase(purchase.shop_id, purchase.invoice_number, origin.received_at)
    record.card_number = purchase.card_number
    record.currency = purchase.currency
    record.total = purchase.total
    record.shipping = purchase.shipping
    record.gift_cards = purchase.gift_cards
    record.points_paid = purchase.points_paid
    record.promoted = purchase.promoted or bool(purchase.coupon_codes)
    record.occurred_at = occurred_at
    record.received_at = origin.received_at
    record.recorded_by = origin.author
    if awaited is None:
        books.purchases[record.key] = record
        books.changes.purchases.append(record)
    else:
        books.changes.changed_purchases[record.key] = record
    return record


def _keep_unclaimed(books: Books, record: Purchase, purchase: PurchaseCompleted, *, parked: bool) -> Outcome:
    record.status = "unclaimed"
    record.document = purchase.model_dump_json(exclude_none=True)
    settle_waiting(books, record)
    if parked and purchase.card_number is not None:
        _park(books, record, purchase.card_number)
    return Outcome("waiting" if parked else "unclaimed", purchase=record)


def _park(books: Books, record: Purchase, card_number: str) -> None:
    """Have a purchase wait for the owner of its card."""
    record.status, record.card_number = "parked", card_number
    books.parked.setdefault(card_number, []).append(record)
    if card_number not in books.cards:
        books.cards[card_number] = None
        books.changes.cards[card_number] = None, books.now


# The award


def _award(
    books: Books,
    record: Purchase,
    account: Account,
    purchase: PurchaseCompleted,
    origin: Origin | None,
    *,
    explain: bool = False,
) -> list[earning.PassedOver]:
    """Book what the purchase earns; where that is to be explained, return the rules that gave nothing."""
    occurred_at = record.occurred_at or books.now
    version = books.versions.at(occurred_at)
    sale = snapshots.sale_of(purchase, occurred_at)
    buyer = _buyer(books, account, version.programme, record)
    terms, parts = _earned(account, sale, version, purchase.currency, buyer)
    account.purchases += 1
    books.changes.changed_accounts[account.customer_id] = account
    record.status = "booked"
    record.sample = snapshots.sample(purchase, occurred_at=occurred_at, is_first=account.purchases == 1)
    record.points = sum([part.points for part in parts])
    day = version.programme.local_day(occurred_at)
    lot = entries.new_lot(record.points, day, version.programme, now=books.now)
    breakdown = snapshots.lines(parts)
    record.award = snapshots.dump(terms, breakdown, lot.available_at if lot.pending else None)
    _use_campaigns(books, account, version.programme, parts)
    _be_active(books, account, version.programme, occurred_at)
    if record.points:
        said = {"breakdown": breakdown, "programme_version": version.version}
        _book_award(books, record, account, lot, said, origin)
    _count(books, record, account, day, terms.gross)
    if not explain:
        return []
    if account.status != "active":
        return _all_passed_over(version.programme, account)
    return earning.passed_over(sale, version.programme, buyer, terms)


def _earned(
    account: Account, sale: earning.Sale, version: Version, currency: str, buyer: earning.Buyer
) -> tuple[earning.Terms, list[earning.Part]]:
    """Return the terms of an award and what they come to: nothing for an account that is blocked or closed."""
    if account.status != "active":
        return NOTHING, [earning.Part(f"account {account.status}", 0)]
    programme = version.programme
    rate = programme.rates[currency]
    terms = earning.terms(sale, version=version.version, programme=programme, rate=rate, buyer=buyer)
    return terms, earning.breakdown(terms)


def _all_passed_over(programme: Programme, account: Account) -> list[earning.PassedOver]:
    code, detail = f"account-{account.status}", f"the account of customer {account.customer_id} is {account.status}"
    return [earning.PassedOver(rule.name, code, detail) for rule in (*programme.rules, *programme.campaigns)]


def _buyer(books: Books, account: Account, programme: Programme, record: Purchase) -> earning.Buyer:
    if programme.is_plain:
        return earning.NEWCOMER
    uses = books.uses.setdefault(account.customer_id, {})
    drawn = draws.drawn(programme, books.secrets, *record.key)
    return earning.Buyer(account.tier, account.purchases == 0, uses, books.budgets, drawn)


def _use_campaigns(books: Books, account: Account, programme: Programme, parts: list[earning.Part]) -> None:
    """Keep count of what campaigns gave, for their caps and for whoever asks what they cost."""
    for part in parts:
        if part.rule in programme.campaign_names and part.points:
            more = earning.Use(part.points, 1)
            uses = books.uses[account.customer_id]
            uses[part.rule] = uses.get(part.rule, earning.UNUSED) + more
            books.budgets[part.rule] = books.budgets.get(part.rule, earning.UNUSED) + more
            used = account.customer_id, part.rule
            books.changes.uses[used] = books.changes.uses.get(used, earning.UNUSED) + more


def _book_award(
    books: Books, record: Purchase, account: Account, lot: Lot, said: dict[str, Any], origin: Origin | None
) -> None:
    occurred_at = record.occurred_at or books.now
    reference = f"{record.shop_id}/{record.invoice_number}"
    entry = entries.credit(books, account, "award", record.points, reference, occurred_at, lot=lot)
    account.lifetime_points += record.points
    record.entry_sequence = entry.sequence
    details = {
        "shop_id": record.shop_id,
        "invoice_number": record.invoice_number,
        "status": "pending" if lot.pending else "available",
        **said,
    }
    if lot.pending and lot.available_at is not None:
        details["available_at"] = lot.available_at
    if lot.expires_on is not None:
        details["expires_on"] = lot.expires_on
    say(books, account, "loyalty.points.awarded.v1", entry, details, origin)
    end_late(books, account, lot)


def _be_active(books: Books, account: Account, programme: Programme, occurred_at: dt.datetime) -> None:
    """Have the points of an active customer live on, where inactivity is what ends them."""
    if programme.expiry.model == "inactivity":
        until = dates.expires_on(programme.local_day(occurred_at), programme.expiry)
        if account.inactive_on is None or until > account.inactive_on:
            account.inactive_on, account.inactivity_announced = until, False
            books.changes.changed_standings[account.customer_id] = account


def _count(books: Books, record: Purchase, account: Account, day: dt.date, spend: Decimal) -> None:
    """Let the purchase count towards a tier, on the day on which it happened."""
    if not record.points and not spend:
        return
    progress = books.changes.progress.get((account.customer_id, day))
    if progress is None:
        progress = books.changes.progress[account.customer_id, day] = Progress()
    progress.points += record.points
    progress.spend += spend
    upgrade(books, account, day, points=record.points, spend=spend)


# Purchases that had no customer


def claim_purchase(books: Books, command: ClaimPurchase) -> Outcome:
    purchase = books.purchases.get((command.shop_id, command.invoice_number))
    if purchase is None or purchase.status == "awaited":
        return refused("purchase-unknown", f"no purchase {command.invoice_number} of {command.shop_id}")
    if purchase.status == "booked":
        if _is_same(books, purchase.customer_id or "", command.customer_id):
            return repeated(books, purchase)
        return refused("purchase-claimed", "this purchase belongs to another customer", "/customer_id")
    if purchase.status == "parked":
        return refused("purchase-has-card", f"this purchase waits for the owner of card {purchase.card_number}")
    if purchase.customer_id is not None and not _is_same(books, purchase.customer_id, command.customer_id):
        return refused("purchase-claimed", "this purchase names another customer", "/customer_id")
    refusal = _too_late(books, purchase)
    if refusal is not None:
        return refusal
    account = books.accounts.get(command.customer_id)
    if account is None:
        return refused("account-unknown", f"customer {command.customer_id} has no account", "/customer_id")
    attach(books, purchase, account)
    return answer("booked", books, account, purchase=purchase)


def _too_late(books: Books, purchase: Purchase) -> Outcome | None:
    occurred_at = purchase.occurred_at or books.now
    window = dt.timedelta(days=books.versions.at(occurred_at).programme.claim_days)
    # what nobody claimed in time is forgotten, also where the clock is put back
    if books.now - occurred_at <= window and purchase.document is not None:
        return None
    detail = f"a purchase can be claimed for {window.days} days; it is from {occurred_at}"
    return refused("claim-window-over", detail)


def _names_card(known: Purchase, said: PurchaseCompleted) -> bool:
    """Tell whether a repeat knows of a card where none was known before."""
    return known.card_number is None and said.card_number is not None


def _name_buyer(books: Books, command: AwardPurchase, known: Purchase, customer_id: str | None) -> Outcome:
    """Attach a purchase of nobody whose repeat says whose it was: the card was scanned after the first try."""
    if customer_id is None and not command.park:
        return _card_unknown(command.purchase)
    refusal = _too_late(books, known)
    if refusal is not None:
        return refusal
    hear(books, command.origin)
    books.changes.changed_purchases[known.key] = known
    if customer_id is None:
        _park(books, known, command.purchase.card_number or "")
        return Outcome("waiting", purchase=known)
    _unpark(books, known)
    occurred_at = known.occurred_at or books.now
    if customer_id not in books.accounts and not books.versions.at(occurred_at).programme.enrol_buyers:
        known.customer_id = customer_id
        return Outcome("unclaimed", purchase=known)
    account = open_account(books, customer_id, occurred_at, command.origin)
    attach(books, known, account)
    if command.origin.author is not None:
        books.answers.deeds.append(Done(command.origin.author, "purchase.claim", "/".join(known.key), None, None))
    return answer("booked", books, account, purchase=known)


def _unpark(books: Books, known: Purchase) -> None:
    if known.status == "parked":
        known.status = "unclaimed"
        waiting = books.parked.get(known.card_number or "", [])
        waiting[:] = [each for each in waiting if each is not known]


def attach(books: Books, purchase: Purchase, account: Account) -> None:
    """Award a purchase that waited for its customer, then claw back what was refunded of it meanwhile."""
    said = PurchaseCompleted.model_validate_json(purchase.document or "")
    purchase.customer_id = account.customer_id
    purchase.document = None
    books.changes.changed_purchases[purchase.key] = purchase
    pay(books, purchase, account, said)
    _award(books, purchase, account, said, None)
    claw_back_booked(books, purchase)
