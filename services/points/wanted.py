"""What a batch of commands needs of the books: noted before anything is asked of the database."""

import datetime as dt
from collections.abc import Iterable

import orjson

from services.points.commands import (
    AdjustBalance,
    ApproveAdjustment,
    AwardPurchase,
    CancelClaim,
    CaptureHold,
    ChangeStatus,
    ClaimPurchase,
    ClaimReward,
    Command,
    EndCoupon,
    EnrolCustomer,
    EraseCustomer,
    FulfilClaim,
    GiveAction,
    GivePoints,
    GiveTier,
    GrantPoints,
    HearCustomer,
    JoinPool,
    KeepReward,
    LeavePool,
    MergeAccounts,
    PassOn,
    Redeem,
    RefundPurchase,
    RejectAdjustment,
    ReleaseHold,
    ReplaceCard,
    RetireReward,
    ReverseRedemption,
    RevokeGrant,
    SettleAccount,
    SettlePurchase,
)
from services.points.records import Purchase
from shared.contracts.purchases import PurchaseCompleted

NO_KEY = ("", "")


class Wanted:
    """What a batch of commands needs to have loaded."""

    def __init__(self, commands: Iterable[Command]) -> None:
        self.keys: list[tuple[str, str, str, str]] = []
        self.refunded: set[tuple[str, str]] = set()
        self.customers: set[str] = set()
        self.cards: set[str] = set()
        self.enrolled_cards: set[str] = set()
        self.debited: set[str] = set()
        self.redemptions: set[str] = set()
        self.redeemers: set[str] = set()
        self.spenders: set[str] = set()
        self.pools: set[str] = set()
        self.rewards: set[str] = set()
        self.claims: set[str] = set()
        self.codes: set[str] = set()
        self.adjustments: set[str] = set()
        self.givers: set[str] = set()
        """API keys that give points by hand."""
        self.acting: set[str] = set()
        """Customers who may have done something that the programme has points for."""
        self.grants: set[tuple[str, str]] = set()
        """Those that are made or revoked, by the service that owes them and its name for them."""
        self.erased: set[str] = set()
        self.new_cards = 0
        self.awards: list[dt.datetime | None] = []
        """When purchases happened that may be awarded; none where that is not known yet."""
        self._buyers: dict[tuple[str, str], list[PurchaseCompleted]] = {}
        for command in commands:
            self._add(command)

    def refunded_buyers(self, cards: dict[str, str | None]) -> set[str]:
        """Return who buys, in this very batch, what is refunded in it or was before it came."""
        bought = [said for key in self.refunded for said in self._buyers.get(key, ())]
        buyers = {each.customer_id or cards.get(each.card_number or "") for each in bought}
        return {buyer for buyer in buyers if buyer is not None}

    def _add(self, command: Command) -> None:
        match command:
            case AwardPurchase():
                self._add_purchase(command)
            case RefundPurchase():
                self._add_refund(command)
            case EnrolCustomer():
                self._add_enrolment(command)
            case ClaimPurchase():
                self._add_claim(command)
            case PassOn(origin=origin) | HearCustomer(origin=origin):
                self.keys.append((*NO_KEY, origin.source, origin.id))
                # who was erased is not passed on
                self.customers.add(command.key if isinstance(command, PassOn) else command.customer_id)
                if isinstance(command, HearCustomer):
                    self.acting.add(command.customer_id)
            case EraseCustomer(customer_id=customer_id, origin=origin):
                self.keys.append((*NO_KEY, origin.source, origin.id))
                self.customers.add(customer_id)
                self.debited.add(customer_id)
                self.erased.add(customer_id)
            case KeepReward() | RetireReward() | ClaimReward() | CancelClaim() | FulfilClaim() | EndCoupon():
                self._add_reward(command)
            case GrantPoints() | RevokeGrant():
                self._add_grant(command)
            case _:
                self._add_care(command)

    def _add_care(self, command: Command) -> None:
        """Note the accounts that are asked for by their names."""
        match command:
            case MergeAccounts(customer_id=customer_id, into=into):
                self.customers |= {customer_id, into}
                self.debited |= {customer_id, into}
                self.acting |= {customer_id, into}
            case ReplaceCard():
                self._add_card(command)
            case ApproveAdjustment() | RejectAdjustment():
                self.adjustments.add(command.adjustment_id)
            case AdjustBalance(customer_id=customer_id):
                self.customers.add(customer_id)
                (self.debited.add(customer_id) if command.points < 0 else self.givers.add(command.actor))
            case GiveAction(customer_id=customer_id):
                self.customers.add(customer_id)
                self.acting.add(customer_id)
            case SettleAccount() | ChangeStatus() | GiveTier():
                self.customers.add(command.customer_id)
            case _:
                self._add_spending(command)

    def _add_spending(self, command: Command) -> None:
        match command:
            case Redeem(customer_id=customer_id):
                self.customers.add(customer_id)
                self.debited.add(customer_id)
                self.spenders.add(customer_id)
            case CaptureHold() | ReleaseHold() | ReverseRedemption():
                self.redemptions.add(command.redemption_id)
            case SettlePurchase(shop_id=shop_id, invoice_number=invoice_number):
                # by the customer of the purchase, whose refunds say what of it is left
                self.keys.append((shop_id, invoice_number, *NO_KEY))
                self.refunded.add((shop_id, invoice_number))
            case GivePoints(customer_id=customer_id, to=to):
                self.customers |= {customer_id, to}
                self.debited.add(customer_id)
            case (
                JoinPool(pool_id=pool_id, customer_id=customer_id) | LeavePool(pool_id=pool_id, customer_id=customer_id)
            ):
                # who joins may be spent from in this very batch
                self.customers.add(customer_id)
                self.debited.add(customer_id)
                self.pools.add(pool_id)

    def _add_reward(self, command: Command) -> None:
        match command:
            case ClaimReward(customer_id=customer_id, reward_id=reward_id):
                self.rewards.add(reward_id)
                self.customers.add(customer_id)
                self.debited.add(customer_id)
                self.spenders.add(customer_id)
            case KeepReward(reward_id=reward_id) | RetireReward(reward_id=reward_id):
                self.rewards.add(reward_id)
            case CancelClaim(claim_id=claim_id) | FulfilClaim(claim_id=claim_id):
                self.claims.add(claim_id)
            case EndCoupon(code=code, origin=origin):
                self.keys.append((*NO_KEY, origin.source, origin.id))
                self.codes.add(code)

    def _add_grant(self, command: GrantPoints | RevokeGrant) -> None:
        self.keys.append((*NO_KEY, command.origin.source, command.origin.id))
        self.grants.add((command.source, command.reward_id))
        self.customers.add(command.customer_id)
        if isinstance(command, RevokeGrant):
            self.debited.add(command.customer_id)

    def add_payment(self, purchase: Purchase) -> None:
        """Note by what a purchase that is attached now says that it was paid."""
        if purchase.document is not None and "redemption_ids" in purchase.document:
            self.redemptions.update(orjson.loads(purchase.document).get("redemption_ids", ()))

    def _add_refund(self, command: RefundPurchase) -> None:
        refund, origin = command.refund, command.origin
        key = refund.shop_id, refund.invoice_number
        self.keys.append((*key, origin.source, origin.id))
        self.refunded.add(key)
        if refund.customer_id is not None:
            self.customers.add(refund.customer_id)

    def _add_claim(self, command: ClaimPurchase) -> None:
        key = command.shop_id, command.invoice_number
        self.keys.append((*key, *NO_KEY))
        self.refunded.add(key)
        self.customers.add(command.customer_id)
        self.debited.add(command.customer_id)
        self.awards.append(None)

    def _add_purchase(self, command: AwardPurchase) -> None:
        purchase, origin = command.purchase, command.origin
        key = purchase.shop_id, purchase.invoice_number
        self.keys.append((*key, origin.source, origin.id))
        self._buyers.setdefault(key, []).append(purchase)
        self.awards.append(purchase.occurred_at or origin.time or origin.received_at)
        if purchase.customer_id is not None:
            self.customers.add(purchase.customer_id)
        if purchase.card_number is not None:
            self.cards.add(purchase.card_number)
        self.redemptions.update(purchase.redemption_ids)

    def _add_enrolment(self, command: EnrolCustomer) -> None:
        self.customers.add(command.customer_id)
        if command.actions:
            self.acting.add(command.customer_id)
        if command.origin is not None:
            self.keys.append((*NO_KEY, command.origin.source, command.origin.id))
        if command.card_number is not None:
            self.cards.add(command.card_number)
            self.enrolled_cards.add(command.card_number)
            self.debited.add(command.customer_id)

    def _add_card(self, command: ReplaceCard) -> None:
        self.customers.add(command.customer_id)
        if command.card_number is None:
            self.new_cards += 1
        else:
            # purchases may wait for this card, with their refunds
            self.cards.add(command.card_number)
            self.enrolled_cards.add(command.card_number)
            self.debited.add(command.customer_id)
