"""What a batch of commands needs of the books: noted before anything is asked of the database."""

import datetime as dt
from collections.abc import Iterable

from services.referrals.commands import (
    AcceptClaim,
    AcceptPair,
    AddPartnerCode,
    CancelPair,
    ChooseCode,
    ClaimCode,
    Command,
    EraseCustomer,
    HearCard,
    HearCustomer,
    HearMerge,
    HearPurchase,
    HearRefund,
    HearTier,
    InvitePair,
    KeepOffer,
    MakeCode,
    OpenPartner,
    PayPartner,
    RejectClaim,
    RetireCode,
    RetireOffer,
    RetirePartner,
    SetTerms,
    SettlePair,
    SettleReferral,
    ShareCode,
)
from services.referrals.names import claim_of_event, claim_of_purchase
from services.referrals.records import PurchaseKey
from services.referrals.rules import codes
from shared.contracts.values import EARLIEST, LATEST


class Wanted:
    """What a batch of commands needs to have loaded; `claiming` are friends who claim in it.

    A card or a purchase that claims tells who that is only once it is known: `buyers` are those whom purchases name.
    """

    def __init__(self, commands: Iterable[Command]) -> None:
        self.purchases: set[PurchaseKey] = set()
        self.refunded: set[PurchaseKey] = set()
        self.customers: set[str] = set()
        self.buyers: dict[PurchaseKey, str] = {}
        self.cards: set[str] = set()
        self.new_cards: dict[str, str] = {}
        """Cards that are heard of, with whose they are said to be."""
        self.codes: set[str] = set()
        self.referrals: set[str] = set()
        self.claiming: set[str] = set()
        self.claiming_cards: set[str] = set()
        self.addresses: set[bytes] = set()
        self.coding: set[str] = set()
        """Customers whose codes are asked for."""
        self.merging: set[str] = set()
        self.offers: set[str] = set()
        self.changing: set[str] = set()
        """Offers that may be changed."""
        self.pairs: set[str] = set()
        self.pairing: set[str] = set()
        """Customers who begin or accept a pair."""
        self.since = LATEST
        """From when on it is heard what was bought."""
        self.partners: set[str] = set()
        self.paying: set[tuple[str, dt.date]] = set()
        for command in commands:
            self._add(command)

    def _add(self, command: Command) -> None:
        match command:
            case HearPurchase():
                self._add_purchase(command)
            case HearRefund(refund=refund):
                self.purchases.add((refund.shop_id, refund.invoice_number))
                self.refunded.add((refund.shop_id, refund.invoice_number))
            case HearCustomer():
                self._add_customer(command)
            case HearCard(card_number=card_number, customer_id=customer_id):
                self.customers.add(customer_id)
                self.new_cards.setdefault(card_number, customer_id)
            case HearMerge(customer_id=customer_id, into=into):
                self.customers |= {customer_id, into}
                self.merging |= {customer_id, into}
                self.since = EARLIEST
            case HearTier(customer_id=customer_id):
                self.customers.add(customer_id)
            case EraseCustomer(customer_id=customer_id):
                self.customers.add(customer_id)
                self.coding.add(customer_id)
            case _:
                self._add_claiming(command)

    def _add_claiming(self, command: Command) -> None:
        match command:
            case ClaimCode():
                self._add_claim(command)
            case AcceptClaim() | RejectClaim():
                self.referrals.add(command.referral_id)
            case SettleReferral(referral_id=referral_id, friend_id=friend_id):
                self.referrals.add(referral_id)
                self.customers.add(friend_id)
            case MakeCode(customer_id=customer_id, drawn=drawn, spare=spare):
                self.customers.add(customer_id)
                self.coding.add(customer_id)
                self.codes |= {drawn, *spare}
            case ChooseCode(customer_id=customer_id, chosen=chosen):
                self.customers.add(customer_id)
                self.coding.add(customer_id)
                self.codes.add(chosen)
            case RetireCode(code=code) | ShareCode(code=code):
                self.codes.add(code)
            case OpenPartner() | SetTerms() | RetirePartner() | AddPartnerCode() | PayPartner():
                self._add_partner(command)
            case _:
                self._add_pairing(command)

    def _add_pairing(self, command: Command) -> None:
        match command:
            case KeepOffer(offer_id=offer_id):
                self.offers.add(offer_id)
                self.changing.add(offer_id)
            case RetireOffer(offer_id=offer_id):
                self.offers.add(offer_id)
            case InvitePair():
                self.offers.add(command.offer_id)
                self.pairing |= {command.customer_id} | ({command.friend_id} if command.friend_id else set())
            case AcceptPair(pair_id=pair_id, friend_id=friend_id):
                self.pairs.add(pair_id)
                self.pairing.add(friend_id)
            case CancelPair(pair_id=pair_id) | SettlePair(pair_id=pair_id):
                self.pairs.add(pair_id)
        self.customers |= self.pairing

    def _add_partner(self, command: OpenPartner | SetTerms | RetirePartner | AddPartnerCode | PayPartner) -> None:
        self.partners.add(command.partner_id)
        if isinstance(command, AddPartnerCode):
            self.codes.add(command.code)
        if isinstance(command, PayPartner):
            self.paying.add((command.partner_id, command.month))

    def _add_purchase(self, command: HearPurchase) -> None:
        purchase = command.purchase
        key = purchase.shop_id, purchase.invoice_number
        self.purchases.add(key)
        self.since = min(self.since, purchase.occurred_at or command.origin.time or command.origin.received_at)
        if purchase.customer_id is not None:
            self.customers.add(purchase.customer_id)
            self.buyers[key] = purchase.customer_id
        elif purchase.card_number is not None:
            self.cards.add(purchase.card_number)
        if purchase.referral_code is not None:
            self.codes.add(codes.spelled(purchase.referral_code) or purchase.referral_code)
            self.referrals.add(claim_of_purchase(*key))
            if purchase.customer_id is not None:
                self.claiming.add(purchase.customer_id)
            elif purchase.card_number is not None:
                self.claiming_cards.add(purchase.card_number)

    def _add_customer(self, command: HearCustomer) -> None:
        self.customers.add(command.customer_id)
        if command.card_number is not None:
            self.new_cards.setdefault(command.card_number, command.customer_id)
        if command.referral_code is not None:
            self.codes.add(command.referral_code)
            self.referrals.add(claim_of_event(command.origin.source, command.origin.id))
            self.claiming.add(command.customer_id)

    def _add_claim(self, command: ClaimCode) -> None:
        self.customers.add(command.friend_id)
        self.claiming.add(command.friend_id)
        self.codes.add(command.code)
        self.referrals.add(command.referral_id)
        if command.contact.address_hash is not None:
            self.addresses.add(command.contact.address_hash)
