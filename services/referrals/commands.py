"""What the world asks of the books, and what it is answered; plain values, whichever way they came."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from services.referrals.offers import Offer
from services.referrals.records import Code, Listing, Pair, Partner, Payout, Referral
from services.referrals.terms import Terms
from shared import requests
from shared.contracts.coupons import Language
from shared.contracts.purchases import PurchaseCompleted, PurchaseRefunded
from shared.requests import Deed, Origin

SOURCE = "/loyalty/referrals"
"""The `source` of every event that this service says itself."""


class Contact(NamedTuple):
    """Who somebody is, as keyed hashes of what was said; none where nothing was."""

    email_hash: bytes | None = None
    phone_hash: bytes | None = None
    address_hash: bytes | None = None


NOBODY = Contact()


class HearPurchase(NamedTuple):
    """Take note of a purchase: it may claim a code, qualify a referral, complete a pair."""

    purchase: PurchaseCompleted
    origin: Origin


class HearRefund(NamedTuple):
    """Take note of a refund, before or after its purchase."""

    refund: PurchaseRefunded
    origin: Origin


class HearCustomer(NamedTuple):
    """Take note of who a customer is; one who registered with a code claims it."""

    customer_id: str
    contact: Contact
    card_number: str | None
    referral_code: str | None
    happened_at: dt.datetime
    origin: Origin


class HearCard(NamedTuple):
    """Take note of whose a card is."""

    card_number: str
    customer_id: str


class HearMerge(NamedTuple):
    """Take note that a customer goes on as another."""

    customer_id: str
    into: str


class HearTier(NamedTuple):
    """Take note of a customer's tier."""

    customer_id: str
    tier: str | None


@dataclass(frozen=True, slots=True)
class EraseCustomer:
    """Forget a customer, under whichever of their names; nothing is noted of them any more."""

    customer_id: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class ClaimCode:
    """Let a friend name who recommended the shop to them."""

    referral_id: str
    code: str
    friend_id: str
    claimed_at: dt.datetime
    source: Literal["rest", "purchase", "customer"]
    contact: Contact = NOBODY
    card_number: str | None = None


@dataclass(frozen=True, slots=True)
class AcceptClaim:
    """Let a claim count that was held for review."""

    referral_id: str
    actor: str


@dataclass(frozen=True, slots=True)
class RejectClaim:
    """Let a claim not count, whatever became of it."""

    referral_id: str
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class SettleReferral:
    """Book what has become due: the end of a review or of a hold."""

    referral_id: str
    friend_id: str


@dataclass(frozen=True, slots=True)
class MakeCode:
    """Give a customer their code; `drawn` is the one to take where they have none, else one to `spare` that nobody has."""

    customer_id: str
    drawn: str
    spare: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChooseCode:
    """Give a customer a code of their own choice beside the other; an earlier choice is retired."""

    customer_id: str
    chosen: str


@dataclass(frozen=True, slots=True)
class RetireCode:
    """Let a code claim nothing any more; what it claimed stays."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class ShareCode:
    """Count that a customer shared their code."""

    code: str
    channel: str


@dataclass(frozen=True, slots=True)
class KeepOffer:
    """Put an offer for two in, or change the one that stands under its id."""

    offer_id: str
    offer: Offer
    is_new: bool


@dataclass(frozen=True, slots=True)
class RetireOffer:
    """Take an offer back; pairs that were accepted go on."""

    offer_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class OpenPartner:
    """Let somebody recommend the shop for money."""

    partner_id: str
    name: str
    language: Language
    terms: Terms
    actor: str


@dataclass(frozen=True, slots=True)
class SetTerms:
    """Let claims from now on earn a partner something else."""

    partner_id: str
    terms: Terms
    actor: str


@dataclass(frozen=True, slots=True)
class RetirePartner:
    """Let a partner's codes claim nothing any more; what they claimed goes on earning."""

    partner_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class InvitePair:
    """Let a customer begin a pair with a friend, or with whoever comes with its code."""

    pair_id: str
    offer_id: str
    customer_id: str
    friend_id: str | None
    drawn: str
    invited_at: dt.datetime


@dataclass(frozen=True, slots=True)
class AcceptPair:
    """Let a friend be the other of a pair."""

    pair_id: str
    friend_id: str
    accepted_at: dt.datetime


@dataclass(frozen=True, slots=True)
class CancelPair:
    """End a pair before it is complete."""

    pair_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class SettlePair:
    """Book that a pair's time is over."""

    pair_id: str


@dataclass(frozen=True, slots=True)
class AddPartnerCode:
    """Give a partner another code, drawn or of their choice."""

    partner_id: str
    code: str


@dataclass(frozen=True, slots=True)
class PayPartner:
    """Note that a partner was paid all that is due up to the end of a month; that closes it."""

    partner_id: str
    month: dt.date
    reference: str
    actor: str


Command = (
    HearPurchase
    | HearRefund
    | HearCustomer
    | HearCard
    | HearMerge
    | HearTier
    | EraseCustomer
    | ClaimCode
    | AcceptClaim
    | RejectClaim
    | SettleReferral
    | MakeCode
    | ChooseCode
    | RetireCode
    | ShareCode
    | KeepOffer
    | RetireOffer
    | InvitePair
    | AcceptPair
    | CancelPair
    | SettlePair
    | OpenPartner
    | SetTerms
    | RetirePartner
    | AddPartnerCode
    | PayPartner
)


class Outcome(NamedTuple):
    """What became of one command."""

    status: Literal["booked", "repeated", "waiting", "ignored", "refused"]
    code: str | None = None
    detail: str | None = None
    pointer: str | None = None
    referral: Referral | None = None
    named: Code | None = None
    listing: Listing | None = None
    pair: Pair | None = None
    partner: Partner | None = None
    payout: Payout | None = None
    more: Mapping[str, object] = MappingProxyType({})
    """What a refusal says beside its code, in numbers and instants."""

    @property
    def is_new(self) -> bool:
        return self.status not in {"refused", "repeated", "ignored"}


def refused(code: str, detail: str, pointer: str | None = None, **more: object) -> Outcome:
    """Refuse a command by the rules: nothing of it is booked."""
    return Outcome("refused", code, detail, pointer, more=more)


Request = requests.Request[Command, Outcome]
Reply = requests.Reply[Outcome]


def deed(command: Command, _outcome: Outcome) -> Deed | None:
    """Return what is written in the audit trail."""
    found = AUDITED.get(type(command))
    return None if found is None else found(command)


def lasts(command: Command) -> bool:
    """Whether only its key tells a repeat from another one like it."""
    return isinstance(command, InvitePair)


AUDITED: Mapping[type[Command], Callable[[Any], Deed]] = {
    EraseCustomer: lambda it: Deed("customer.erase", it.customer_id),
    ClaimCode: lambda it: Deed("code.claim", f"{it.code} for {it.friend_id}"),
    AcceptClaim: lambda it: Deed("claim.accept", it.referral_id),
    RejectClaim: lambda it: Deed("claim.reject", it.referral_id, it.reason),
    MakeCode: lambda it: Deed("code.make", it.customer_id),
    ChooseCode: lambda it: Deed("code.choose", f"{it.chosen} of {it.customer_id}"),
    RetireCode: lambda it: Deed("code.retire", it.code, it.reason),
    KeepOffer: lambda it: Deed("offer.create" if it.is_new else "offer.change", it.offer_id),
    RetireOffer: lambda it: Deed("offer.retire", it.offer_id, it.reason),
    InvitePair: lambda it: Deed("pair.invite", f"{it.pair_id} by {it.customer_id}"),
    AcceptPair: lambda it: Deed("pair.accept", f"{it.pair_id} by {it.friend_id}"),
    CancelPair: lambda it: Deed("pair.cancel", it.pair_id, it.reason),
    OpenPartner: lambda it: Deed("partner.open", it.partner_id),
    SetTerms: lambda it: Deed("partner.terms", it.partner_id),
    RetirePartner: lambda it: Deed("partner.retire", it.partner_id, it.reason),
    AddPartnerCode: lambda it: Deed("partner.code", f"{it.code} of {it.partner_id}"),
    PayPartner: lambda it: Deed("partner.pay", f"{it.partner_id} for {it.month:%Y-%m}", it.reference),
}
