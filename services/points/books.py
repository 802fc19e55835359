"""What commands do to the books: decided on what was loaded, without I/O and without a clock."""

import datetime as dt
from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson

from services.points import rules
from services.points.commands import (
    SOURCE,
    Account,
    AdjustBalance,
    Answer,
    AwardPurchase,
    Balance,
    ClaimPurchase,
    Command,
    EnrolCustomer,
    Entry,
    IdempotencyKey,
    Origin,
    Outcome,
    PassOn,
    Purchase,
    Refund,
    RefundPurchase,
    Reply,
    Request,
    deed,
    refused,
)
from services.points.programme import Programme, Versions
from shared.contracts.purchases import PurchaseCompleted

POINTS_TOPIC = "loyalty.points"
PURCHASES_TOPIC = "loyalty.purchases"
CUSTOMERS_TOPIC = "loyalty.customers"
ZERO = Decimal(0)

MOST_POINTS = 10**12
"""As many as an event of the contract can say; a total that is mistyped by so much is not to be kept."""

PurchaseKey = tuple[str, str]
RefundKey = tuple[str, str, str]


@dataclass(slots=True)
class Changes:
    """What a batch adds to the books, in the order in which it is to be written."""

    accounts: list[Account] = field(default_factory=list)
    cards: dict[str, tuple[str | None, dt.datetime]] = field(default_factory=dict)
    owned_cards: dict[str, tuple[str, dt.datetime]] = field(default_factory=dict)
    purchases: list[Purchase] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    lots: list[tuple[str, rules.Lot]] = field(default_factory=list)
    allocations: list[tuple[str, int, int, int]] = field(default_factory=list)
    adjustments: list[tuple[AdjustBalance, int]] = field(default_factory=list)
    events: list[tuple[str, str]] = field(default_factory=list)
    outbox: list[tuple[str, str, str]] = field(default_factory=list)
    answers: list[tuple[IdempotencyKey, Answer]] = field(default_factory=list)
    deeds: list[tuple[str, str, str, str]] = field(default_factory=list)
    late_refusals: list[tuple[Refund, str, str]] = field(default_factory=list)

    changed_accounts: dict[str, Account] = field(default_factory=dict)
    changed_purchases: dict[PurchaseKey, Purchase] = field(default_factory=dict)
    changed_refunds: dict[RefundKey, Refund] = field(default_factory=dict)
    changed_lots: dict[tuple[str, int], rules.Lot] = field(default_factory=dict)


@dataclass(slots=True)
class Books:
    """The part of the books that a batch touches, and what the batch has changed in it so far.

    `lots` holds open lots only of customers who may be debited, `debts` the debits that lots did not meet in full, oldest
    first: (entry sequence, points missing).
    """

    now: dt.datetime
    versions: Versions
    serials: deque[int]
    accounts: dict[str, Account] = field(default_factory=dict)
    cards: dict[str, str | None] = field(default_factory=dict)
    awaited_cards: set[str] = field(default_factory=set)
    purchases: dict[PurchaseKey, Purchase] = field(default_factory=dict)
    parked: dict[str, list[Purchase]] = field(default_factory=dict)
    refunds: dict[RefundKey, Refund] = field(default_factory=dict)
    waiting: dict[PurchaseKey, list[Refund]] = field(default_factory=dict)
    lots: dict[str, list[rules.Lot]] = field(default_factory=dict)
    debts: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    events: set[tuple[str, str]] = field(default_factory=set)
    answers: dict[tuple[str, str], tuple[bytes, Answer]] = field(default_factory=dict)
    changes: Changes = field(default_factory=Changes)

    def decide(self, requests: list[Request]) -> list[Reply]:
        """Answer each request in turn; each sees what those before it did."""
        return [self._reply(request) for request in requests]

    def _reply(self, request: Request) -> Reply:
        key = request.key
        if key is None:
            return Reply(self._booked(request))
        known = self.answers.get((key.api_key, key.key))
        if known is not None:
            fingerprint, answer = known
            return Reply(replayed=answer) if fingerprint == key.fingerprint else Reply(key_reused=True)
        outcomes = self._booked(request)
        answer = request.render(outcomes)
        self.answers[key.api_key, key.key] = key.fingerprint, answer
        self.changes.answers.append((key, answer))
        return Reply(outcomes)

    def _booked(self, request: Request) -> list[Outcome]:
        outcomes = [self._book(command) for command in request.commands]
        author = request.author
        if author is not None:
            done = (deed(each) for each, outcome in zip(request.commands, outcomes, strict=True) if outcome.is_new)
            self.changes.deeds += [(author.name, *each, author.request_id) for each in done if each is not None]
        return outcomes

    def _book(self, command: Command) -> Outcome:
        match command:
            case AwardPurchase():
                return self._award_purchase(command)
            case RefundPurchase():
                return self._refund_purchase(command)
            case EnrolCustomer():
                return self._enrol_customer(command)
            case AdjustBalance():
                return self._adjust_balance(command)
            case ClaimPurchase():
                return self._claim_purchase(command)
            case PassOn():
                return self._pass_on(command)

    # purchases

    def _award_purchase(self, command: AwardPurchase) -> Outcome:
        purchase, origin = command.purchase, command.origin
        key = purchase.shop_id, purchase.invoice_number
        known = self.purchases.get(key)
        if origin.named and (origin.source, origin.id) in self.events:
            return self._repeated(known)
        customer_id = purchase.customer_id
        if purchase.card_number is not None:
            owner = self.cards.get(purchase.card_number)
            if customer_id is None:
                customer_id = owner
            elif owner is not None and owner != customer_id:
                return refused(
                    "card-of-another-customer",
                    f"card {purchase.card_number} does not belong to customer {customer_id}",
                    "/card_number",
                )
        if known is not None and known.status != "awaited":
            difference = _difference(known, purchase, customer_id)
            if difference is None:
                self._hear(origin)
                return self._repeated(known)
            return refused(
                "purchase-conflict",
                f"purchase {purchase.invoice_number} of {purchase.shop_id} is booked with another {difference}",
                f"/{difference}",
            )
        return self._new_purchase(command, customer_id, awaited=known)

    def _new_purchase(self, command: AwardPurchase, customer_id: str | None, *, awaited: Purchase | None) -> Outcome:
        purchase, origin = command.purchase, command.origin
        occurred_at = purchase.occurred_at or origin.time or origin.received_at
        if rules.is_ahead(occurred_at, origin.received_at):
            return refused("occurred-in-future", f"{occurred_at} is more than 24 hours ahead", "/occurred_at")
        version = self.versions.at(occurred_at)
        if purchase.currency not in version.programme.rates:
            return refused(
                "currency-unsupported",
                f"the programme has no rate for {purchase.currency}, only for {', '.join(version.programme.rates)}",
                "/currency",
            )
        if (purchase.total + purchase.discount) * version.programme.rates[purchase.currency] > MOST_POINTS:
            return refused("points-too-many", f"a purchase earns at most {MOST_POINTS} points", "/total")
        waits_for_card = customer_id is None and purchase.card_number is not None
        if waits_for_card and not command.park:
            return refused("card-unknown", f"no account has card {purchase.card_number}", "/card_number")
        record = awaited or Purchase(purchase.shop_id, purchase.invoice_number, origin.received_at)
        record.customer_id = customer_id
        record.card_number = purchase.card_number
        record.currency = purchase.currency
        record.total = purchase.total
        record.shipping = purchase.shipping
        record.gift_cards = purchase.gift_cards
        record.points_paid = purchase.points_paid
        record.occurred_at = occurred_at
        record.received_at = origin.received_at
        record.recorded_by = origin.author
        if awaited is None:
            self.purchases[record.key] = record
            self.changes.purchases.append(record)
        else:
            self.changes.changed_purchases[record.key] = record
        self._hear(origin)
        if origin.document is not None:
            owner = customer_id or purchase.card_number or f"{purchase.shop_id}/{purchase.invoice_number}"
            self.changes.outbox.append((PURCHASES_TOPIC, owner, origin.document.decode()))
        if customer_id is None or (customer_id not in self.accounts and not version.programme.enrol_buyers):
            return self._keep_unclaimed(record, purchase, parked=waits_for_card)
        account = self._account(customer_id, occurred_at, origin)
        self._award(record, account, purchase, origin)
        self._settle_waiting(record)
        return Outcome("booked", purchase=record, account=account, balance=account.balance)

    def _keep_unclaimed(self, record: Purchase, purchase: PurchaseCompleted, *, parked: bool) -> Outcome:
        record.status = "parked" if parked else "unclaimed"
        record.document = purchase.model_dump_json(exclude_none=True)
        self._settle_waiting(record)
        if parked and purchase.card_number is not None:
            self.parked.setdefault(purchase.card_number, []).append(record)
            if purchase.card_number not in self.cards:
                self.cards[purchase.card_number] = None
                self.changes.cards[purchase.card_number] = None, self.now
        return Outcome("waiting" if parked else "unclaimed", purchase=record)

    def _award(self, record: Purchase, account: Account, purchase: PurchaseCompleted, origin: Origin | None) -> None:
        occurred_at = record.occurred_at or self.now
        version = self.versions.at(occurred_at)
        programme = version.programme
        sale = rules.Sale(
            purchase.total,
            purchase.tax,
            purchase.shipping,
            purchase.gift_cards,
            purchase.points_paid,
            purchase.discount,
        )
        snapshot = rules.terms(
            sale, version=version.version, programme=programme, rate=programme.rates[purchase.currency]
        )
        points = rules.award(snapshot)
        breakdown = [{"rule": "base", "points": points}]
        record.status = "booked"
        record.points = points
        record.award = _dump_snapshot(snapshot, breakdown)
        if not points:
            return
        entry = self._credit(account, "award", points, f"{record.shop_id}/{record.invoice_number}", occurred_at)
        account.lifetime_points += points
        record.entry_sequence = entry.sequence
        self._say(
            account,
            "loyalty.points.awarded.v1",
            entry,
            {
                "shop_id": record.shop_id,
                "invoice_number": record.invoice_number,
                "breakdown": breakdown,
                "programme_version": version.version,
            },
            origin,
        )

    def _repeated(self, known: Purchase | None) -> Outcome:
        account = self.accounts.get(known.customer_id) if known is not None and known.customer_id else None
        return Outcome("repeated", purchase=known, account=account, balance=account.balance if account else None)

    # refunds

    def _refund_purchase(self, command: RefundPurchase) -> Outcome:
        said, origin = command.refund, command.origin
        known = self.refunds.get((said.shop_id, said.invoice_number, said.refund_id))
        if origin.named and (origin.source, origin.id) in self.events:
            return self._repeated_refund(known)
        if known is not None:
            if known.status == "refused":
                return refused(known.refused_code or "refund-refused", "this refund was refused when its purchase came")
            if not _same_refund(known, said):
                return refused("refund-conflict", f"refund {said.refund_id} is booked with other content", "/refund_id")
            self._hear(origin)
            return self._repeated_refund(known)
        occurred_at = said.occurred_at or origin.time or origin.received_at
        if rules.is_ahead(occurred_at, origin.received_at):
            return refused("occurred-in-future", f"{occurred_at} is more than 24 hours ahead", "/occurred_at")
        if said.shipping + said.gift_cards + (said.points_paid or ZERO) > said.amount:
            return refused("refund-parts-exceed-amount", "the parts of a refund are more than its amount", "/amount")
        refund = Refund(
            said.shop_id,
            said.invoice_number,
            said.refund_id,
            said.currency,
            said.amount,
            said.shipping,
            said.gift_cards,
            said.points_paid,
            said.kind,
            occurred_at,
            origin.received_at,
            said.customer_id,
        )
        return self._new_refund(refund, origin)

    def _new_refund(self, refund: Refund, origin: Origin) -> Outcome:
        key = refund.shop_id, refund.invoice_number
        purchase = self.purchases.get(key)
        if purchase is None:
            purchase = Purchase(refund.shop_id, refund.invoice_number, origin.received_at)
            self.purchases[key] = purchase
            self.changes.purchases.append(purchase)
        entry = None
        if purchase.status != "awaited":
            refusal = _refund_refusal(refund, purchase)
            if refusal is not None:
                return refusal
            entry = self._take_back(refund, purchase, origin)
        self.refunds[refund.key] = refund
        self.changes.refunds.append(refund)
        self._hear(origin)
        if origin.document is not None:
            owner = purchase.customer_id or refund.customer_id or f"{refund.shop_id}/{refund.invoice_number}"
            self.changes.outbox.append((PURCHASES_TOPIC, owner, origin.document.decode()))
        if purchase.status == "awaited":
            self.waiting.setdefault(key, []).append(refund)
            return Outcome("waiting", purchase=purchase, refund=refund)
        account = self.accounts.get(purchase.customer_id) if purchase.customer_id else None
        balance = account.balance if account else None
        return Outcome("booked", purchase=purchase, refund=refund, account=account, balance=balance, entry=entry)

    def _settle_waiting(self, purchase: Purchase) -> None:
        """Book the refunds that came before their purchase, in the order of their arrival."""
        for refund in self.waiting.pop(purchase.key, ()):
            refusal = _refund_refusal(refund, purchase)
            if refusal is None:
                self._take_back(refund, purchase, None)
            else:
                refund.status = "refused"
                refund.refused_code = refusal.code
                self.changes.late_refusals.append((refund, refusal.code or "", refusal.detail or ""))
            self.changes.changed_refunds[refund.key] = refund

    def _take_back(self, refund: Refund, purchase: Purchase, origin: Origin | None) -> Entry | None:
        """Lower the purchase by the refund and, where it has earned, claw the points back."""
        total = purchase.total or ZERO
        purchase.refunded += refund.amount
        if refund.points_paid is None:
            refund.points_paid_part = rules.points_paid_part(
                paid=purchase.points_paid or ZERO,
                total=total,
                refunded=purchase.refunded,
                given_back=purchase.refunded_points_paid,
            )
        else:
            refund.points_paid_part = refund.points_paid
        purchase.refunded_points_paid += refund.points_paid_part
        programme = self._programme_of(purchase)
        purchase.refunded_eligible += _counts(refund, programme)
        refund.status = "booked"
        self.changes.changed_purchases[purchase.key] = purchase
        if purchase.status != "booked" or purchase.customer_id is None:
            return None
        return self._claw_back(refund, purchase, purchase.refunded_eligible, origin)

    def _claw_back(
        self, refund: Refund, purchase: Purchase, taken_back: Decimal, origin: Origin | None
    ) -> Entry | None:
        snapshot = load_snapshot(purchase.award or "")
        points = rules.clawback(
            snapshot, earned=purchase.points, taken_back=taken_back, clawed_back=purchase.clawed_back
        )
        if not points or purchase.customer_id is None:
            return None
        account = self.accounts[purchase.customer_id]
        reference = "/".join(refund.key)
        entry = self._debit(account, "clawback", points, reference, refund.occurred_at, first=purchase.entry_sequence)
        purchase.clawed_back += points
        account.lifetime_points -= points
        refund.points = points
        refund.entry_sequence = entry.sequence
        self._say(
            account,
            "loyalty.points.reversed.v1",
            entry,
            {
                "shop_id": refund.shop_id,
                "invoice_number": refund.invoice_number,
                "refund_id": refund.refund_id,
                "breakdown": [{"rule": "clawback", "points": -points}],
                "programme_version": snapshot.version,
            },
            origin,
        )
        if account.available < 0 and self._programme_of(purchase).unmet_clawback == "write_off":
            self._write_off(account, reference, refund.occurred_at)
        return entry

    def _programme_of(self, purchase: Purchase) -> Programme:
        """Return the rules that the purchase was awarded by, or will be."""
        if purchase.award is not None:
            return self.versions.number(load_snapshot(purchase.award).version).programme
        return self.versions.at(purchase.occurred_at or self.now).programme

    def _write_off(self, account: Account, reference: str, occurred_at: dt.datetime) -> None:
        entry = self._credit(account, "write_off", -account.available, reference, occurred_at)
        breakdown = [{"rule": "write_off", "points": entry.points}]
        self._say(account, "loyalty.points.adjusted.v1", entry, {"reason": "write_off", "breakdown": breakdown}, None)

    def _repeated_refund(self, known: Refund | None) -> Outcome:
        purchase = self.purchases.get((known.shop_id, known.invoice_number)) if known is not None else None
        account = self.accounts.get(purchase.customer_id) if purchase is not None and purchase.customer_id else None
        balance = account.balance if account else None
        return Outcome("repeated", purchase=purchase, refund=known, account=account, balance=balance)

    # accounts

    def _enrol_customer(self, command: EnrolCustomer) -> Outcome:
        origin = command.origin
        if origin is not None and origin.named and (origin.source, origin.id) in self.events:
            return Outcome("repeated", account=self.accounts.get(command.customer_id))
        number = command.card_number
        if number is not None and rules.is_mistyped(number):
            return refused("card-mistyped", f"the check digit of card {number} is wrong", "/card_number")
        account = self.accounts.get(command.customer_id)
        if number is not None and self.cards.get(number) not in {None, command.customer_id}:
            return refused("card-taken", f"card {number} belongs to another customer", "/card_number")
        if account is not None:
            if number is not None and number != account.card_number:
                return refused(
                    "account-conflict", f"customer {command.customer_id} is enrolled with another card", "/card_number"
                )
            self._hear(origin)
            return Outcome("repeated", account=account, balance=account.balance)
        self._hear(origin)
        account = self._account(command.customer_id, command.enrolled_at, origin, card_number=number)
        if origin is not None and origin.document is not None:
            self.changes.outbox.append((CUSTOMERS_TOPIC, command.customer_id, origin.document.decode()))
        for purchase in self.parked.pop(account.card_number, ()):
            self._attach(purchase, account)
        return Outcome("booked", account=account, balance=account.balance)

    def _account(
        self, customer_id: str, enrolled_at: dt.datetime, origin: Origin | None, *, card_number: str | None = None
    ) -> Account:
        """Return the customer's account, opening it where there is none."""
        account = self.accounts.get(customer_id)
        if account is not None:
            return account
        number = card_number or rules.card_number(self.serials.popleft())
        account = Account(customer_id, number, "active", 0, 0, 0, 0, enrolled_at)
        self.accounts[customer_id] = account
        self.lots[customer_id] = []
        self.cards[number] = customer_id
        self.changes.accounts.append(account)
        if number in self.awaited_cards:
            self.changes.owned_cards[number] = customer_id, self.now
        else:
            self.changes.cards[number] = customer_id, self.now
        self._say_opened(account, origin)
        return account

    def _adjust_balance(self, command: AdjustBalance) -> Outcome:
        account = self.accounts.get(command.customer_id)
        if account is None:
            return refused("account-unknown", f"customer {command.customer_id} has no account", "/customer_id")
        if command.points < 0 and not command.allow_debt and account.available < -command.points:
            return Outcome(
                "refused",
                "insufficient-points",
                f"{-command.points} points asked for, {account.available} available, 0 held",
                "/points",
                balance=account.balance,
            )
        write = self._credit if command.points > 0 else self._debit
        entry = write(account, "adjustment", abs(command.points), command.reason, command.occurred_at)
        self.changes.adjustments.append((command, entry.sequence))
        data = {
            "adjustment_id": command.adjustment_id,
            "reason": command.reason,
            "breakdown": [{"rule": "adjustment", "points": command.points}],
        }
        self._say(account, "loyalty.points.adjusted.v1", entry, data, None)
        return Outcome("booked", account=account, balance=account.balance, entry=entry, reference=command.adjustment_id)

    def _claim_purchase(self, command: ClaimPurchase) -> Outcome:
        purchase = self.purchases.get((command.shop_id, command.invoice_number))
        if purchase is None or purchase.status == "awaited":
            return refused("purchase-unknown", f"no purchase {command.invoice_number} of {command.shop_id}")
        if purchase.status == "booked":
            if purchase.customer_id == command.customer_id:
                return self._repeated(purchase)
            return refused("purchase-claimed", "this purchase belongs to another customer", "/customer_id")
        if purchase.status == "parked":
            return refused("purchase-has-card", f"this purchase waits for the owner of card {purchase.card_number}")
        if purchase.customer_id not in {None, command.customer_id}:
            return refused("purchase-claimed", "this purchase names another customer", "/customer_id")
        occurred_at = purchase.occurred_at or self.now
        window = dt.timedelta(days=self.versions.at(occurred_at).programme.claim_days)
        if self.now - occurred_at > window:
            return refused(
                "claim-window-over", f"a purchase can be claimed for {window.days} days; it is from {occurred_at}"
            )
        account = self.accounts.get(command.customer_id)
        if account is None:
            return refused("account-unknown", f"customer {command.customer_id} has no account", "/customer_id")
        self._attach(purchase, account)
        return Outcome("booked", purchase=purchase, account=account, balance=account.balance)

    def _attach(self, purchase: Purchase, account: Account) -> None:
        """Award a purchase that waited for its customer, then claw back what was refunded of it meanwhile."""
        said = PurchaseCompleted.model_validate_json(purchase.document or "")
        purchase.customer_id = account.customer_id
        purchase.document = None
        self._award(purchase, account, said, None)
        self.changes.changed_purchases[purchase.key] = purchase
        taken_back, programme = ZERO, self._programme_of(purchase)
        for refund in self._booked_refunds(purchase):
            taken_back += _counts(refund, programme)
            self._claw_back(refund, purchase, taken_back, None)
            self.changes.changed_refunds[refund.key] = refund

    def _booked_refunds(self, purchase: Purchase) -> list[Refund]:
        of_this = [each for key, each in self.refunds.items() if key[:2] == purchase.key and each.status == "booked"]
        return sorted(of_this, key=lambda each: each.arrival)

    # entries

    def _credit(self, account: Account, kind: Any, points: int, reference: str, occurred_at: dt.datetime) -> Entry:
        """Add a credit and its lot; what the account owes is taken out of the lot before it can be spent (rule 18)."""
        entry = self._entry(account, kind, points, reference, occurred_at)
        lot = rules.Lot(entry.sequence, points, points)
        debts = self.debts.get(account.customer_id)
        while debts and lot.remaining:
            debit_sequence, missing = debts[0]
            part = min(missing, lot.remaining)
            lot.remaining -= part
            self.changes.allocations.append((account.customer_id, debit_sequence, lot.sequence, part))
            if part == missing:
                debts.pop(0)
            else:
                debts[0] = debit_sequence, missing - part
        self.changes.lots.append((account.customer_id, lot))
        lots = self.lots.get(account.customer_id)
        if lots is not None:
            lots.append(lot)
        return entry

    def _debit(
        self,
        account: Account,
        kind: Any,
        points: int,
        reference: str,
        occurred_at: dt.datetime,
        *,
        first: int | None = None,
    ) -> Entry:
        """Add a debit and take it out of the lots; what they lack becomes a debt."""
        entry = self._entry(account, kind, -points, reference, occurred_at)
        allocations, missing = rules.spend(self.lots[account.customer_id], points, first=first)
        for lot, part in allocations:
            lot.remaining -= part
            self.changes.allocations.append((account.customer_id, entry.sequence, lot.sequence, part))
            self.changes.changed_lots[account.customer_id, lot.sequence] = lot
        if missing:
            self.debts.setdefault(account.customer_id, []).append((entry.sequence, missing))
        return entry

    def _entry(self, account: Account, kind: Any, points: int, reference: str, occurred_at: dt.datetime) -> Entry:
        account.sequence += 1
        account.available += points
        entry = Entry(account.customer_id, account.sequence, kind, points, account.available, reference, occurred_at)
        self.changes.entries.append(entry)
        self.changes.changed_accounts[account.customer_id] = account
        return entry

    # events

    def _hear(self, origin: Origin | None) -> None:
        """Remember an event for ever."""
        if origin is not None and (origin.source, origin.id) not in self.events:
            self.events.add((origin.source, origin.id))
            self.changes.events.append((origin.source, origin.id))

    def _pass_on(self, command: PassOn) -> Outcome:
        origin = command.origin
        if (origin.source, origin.id) in self.events:
            return Outcome("repeated")
        self._hear(origin)
        if origin.document is not None:
            self.changes.outbox.append((command.topic, command.key, origin.document.decode()))
        return Outcome("booked")

    def _say_opened(self, account: Account, origin: Origin | None) -> None:
        data = {
            "customer_id": account.customer_id,
            "card_number": account.card_number,
            "enrolled_at": account.enrolled_at.isoformat(),
            "balance": _balance(account),
        }
        self._emit(account, "loyalty.account.opened.v1", data, origin)

    def _say(self, account: Account, kind: str, entry: Entry, details: dict[str, Any], origin: Origin | None) -> None:
        data = {
            "customer_id": account.customer_id,
            "points": entry.points,
            "balance": _balance(account),
            "entry_sequence": entry.sequence,
            "occurred_at": entry.occurred_at.isoformat(),
            **details,
        }
        self._emit(account, kind, data, origin)

    def _emit(self, account: Account, kind: str, data: dict[str, Any], origin: Origin | None) -> None:
        account.event_sequence += 1
        event = {
            "specversion": "1.0",
            "id": f"{account.customer_id}:{account.event_sequence}",
            "source": SOURCE,
            "type": kind,
            "subject": account.customer_id,
            "time": self.now,
            "sequence": f"{account.event_sequence:020d}",
            "datacontenttype": "application/json",
            "data": data,
        }
        if origin is not None and origin.traceparent is not None:
            event["traceparent"] = origin.traceparent
        self.changes.outbox.append((POINTS_TOPIC, account.customer_id, orjson.dumps(event).decode()))
        self.changes.changed_accounts[account.customer_id] = account


def _balance(account: Account) -> dict[str, int]:
    return {"available": account.available, "pending": 0, "held": 0}


def _difference(known: Purchase, said: PurchaseCompleted, customer_id: str | None) -> str | None:
    """Name the first field in which a repeat contradicts the booked purchase; values are compared, not spellings."""
    if customer_id is not None and known.customer_id is not None and customer_id != known.customer_id:
        return "customer_id"
    if known.currency != said.currency:
        return "currency"
    for name in ("total", "shipping", "gift_cards", "points_paid"):
        if getattr(known, name) != getattr(said, name):
            return name
    return None


def _counts(refund: Refund, programme: Programme) -> Decimal:
    """Return what of a refund lowers the earn base."""
    if refund.kind == "store_credit" and not programme.store_credit_claws_back:
        return ZERO
    return rules.refund_counts(
        refund.amount,
        shipping=refund.shipping,
        gift_cards=refund.gift_cards,
        points_paid=refund.points_paid_part,
        programme=programme,
    )


def _same_refund(known: Refund, said: Any) -> bool:
    names = ("currency", "amount", "shipping", "gift_cards", "points_paid", "kind")
    return all(getattr(known, name) == getattr(said, name) for name in names)


def _refund_refusal(refund: Refund, purchase: Purchase) -> Outcome | None:
    if refund.currency != purchase.currency:
        return refused(
            "refund-currency", f"the purchase was in {purchase.currency}, not {refund.currency}", "/currency"
        )
    if refund.customer_id is not None and purchase.customer_id not in {None, refund.customer_id}:
        return refused("refund-customer", "the purchase belongs to another customer", "/customer_id")
    total = purchase.total or ZERO
    if purchase.refunded + refund.amount > total:
        return refused(
            "refund-exceeds-purchase",
            f"{refund.amount} to refund, {total - purchase.refunded} of {total} {purchase.currency} not yet refunded",
            "/amount",
        )
    return None


def _dump_snapshot(snapshot: rules.Terms, breakdown: list[dict[str, Any]]) -> str:
    return orjson.dumps(
        {
            "version": snapshot.version,
            "rate": str(snapshot.rate),
            "minimum": str(snapshot.minimum),
            "gross": str(snapshot.gross),
            "base": str(snapshot.base),
            "breakdown": breakdown,
        }
    ).decode()


def load_snapshot(award: str) -> rules.Terms:
    """Read back what an award was computed from."""
    stored = orjson.loads(award)
    return rules.Terms(
        stored["version"],
        Decimal(stored["rate"]),
        Decimal(stored["minimum"]),
        Decimal(stored["gross"]),
        Decimal(stored["base"]),
    )


__all__ = ["Balance", "Books", "Changes"]
