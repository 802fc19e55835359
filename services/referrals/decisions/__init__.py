"""What commands do to the books: a function for each, decided on what was loaded, without I/O and without a clock."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from services.referrals.books import Books
from services.referrals.commands import (
    AcceptClaim,
    AddPartnerCode,
    ChooseCode,
    ClaimCode,
    Command,
    HearCard,
    HearCustomer,
    HearMerge,
    HearPurchase,
    HearRefund,
    HearTier,
    MakeCode,
    OpenPartner,
    Outcome,
    PayPartner,
    RejectClaim,
    Reply,
    Request,
    RetireCode,
    RetirePartner,
    SetTerms,
    SettleReferral,
    ShareCode,
    deed,
    lasts,
)
from services.referrals.decisions.claims import accept_claim, claim_code, reject_claim
from services.referrals.decisions.codes import choose_code, make_code, retire_code, share_code
from services.referrals.decisions.customers import hear_card, hear_customer, hear_merge, hear_tier
from services.referrals.decisions.partners import add_code, open_partner, pay_partner, retire_partner, set_terms
from services.referrals.decisions.purchases import hear_purchase, hear_refund
from services.referrals.decisions.referrals import release, settle_referral
from shared.requests import Desk

DECISIONS: Mapping[type[Command], Callable[[Books, Any], Outcome]] = {
    HearPurchase: hear_purchase,
    HearRefund: hear_refund,
    HearCustomer: hear_customer,
    HearCard: hear_card,
    HearMerge: hear_merge,
    HearTier: hear_tier,
    ClaimCode: claim_code,
    AcceptClaim: accept_claim,
    RejectClaim: reject_claim,
    SettleReferral: settle_referral,
    MakeCode: make_code,
    ChooseCode: choose_code,
    RetireCode: retire_code,
    ShareCode: share_code,
    OpenPartner: open_partner,
    SetTerms: set_terms,
    RetirePartner: retire_partner,
    AddPartnerCode: add_code,
    PayPartner: pay_partner,
}


def decide(books: Books, requests: Sequence[Request]) -> list[Reply]:
    """Book what is due on the referrals, then answer each request in turn; each sees what those before it did."""
    for referral in list(books.referrals.values()):
        release(books, referral)
    desk = Desk(partial(_decide, books), books.answers, deed=deed, lasts=lasts)
    return [desk.reply(request) for request in requests]


def _decide(books: Books, command: Command) -> Outcome:
    return DECISIONS[type(command)](books, command)
