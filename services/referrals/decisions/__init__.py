"""What commands do to the books: a function for each, decided on what was loaded, without I/O and without a clock."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from services.referrals.books import Books
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
    Outcome,
    PayPartner,
    RejectClaim,
    Reply,
    Request,
    RetireCode,
    RetireOffer,
    RetirePartner,
    SetTerms,
    SettlePair,
    SettleReferral,
    ShareCode,
    deed,
    lasts,
    refused,
)
from services.referrals.decisions.claims import accept_claim, claim_code, reject_claim
from services.referrals.decisions.codes import choose_code, make_code, retire_code, share_code
from services.referrals.decisions.customers import hear_card, hear_customer, hear_merge, hear_tier
from services.referrals.decisions.erasing import concerned, erase_customer
from services.referrals.decisions.offers import keep_offer, retire_offer
from services.referrals.decisions.pairs import accept_pair, cancel_pair, invite_pair, settle, settle_pair
from services.referrals.decisions.partners import add_code, open_partner, pay_partner, retire_partner, set_terms
from services.referrals.decisions.purchases import hear_purchase, hear_refund
from services.referrals.decisions.referrals import release, settle_referral
from shared.requests import Desk
from shared.withholding import ERASED

DECISIONS: Mapping[type[Command], Callable[[Books, Any], Outcome]] = {
    HearPurchase: hear_purchase,
    HearRefund: hear_refund,
    HearCustomer: hear_customer,
    HearCard: hear_card,
    HearMerge: hear_merge,
    HearTier: hear_tier,
    EraseCustomer: erase_customer,
    ClaimCode: claim_code,
    AcceptClaim: accept_claim,
    RejectClaim: reject_claim,
    SettleReferral: settle_referral,
    MakeCode: make_code,
    ChooseCode: choose_code,
    RetireCode: retire_code,
    ShareCode: share_code,
    KeepOffer: keep_offer,
    RetireOffer: retire_offer,
    InvitePair: invite_pair,
    AcceptPair: accept_pair,
    CancelPair: cancel_pair,
    SettlePair: settle_pair,
    OpenPartner: open_partner,
    SetTerms: set_terms,
    RetirePartner: retire_partner,
    AddPartnerCode: add_code,
    PayPartner: pay_partner,
}


def decide(books: Books, requests: Sequence[Request]) -> list[Reply]:
    """Book what is due on the referrals, those first that have waited longest, and on pairs, then answer each request in turn.

    Each sees what those before it did.
    """
    due = [(each.due_at, name) for name, each in books.referrals.items() if each.due_at is not None]
    for _, name in sorted(due):
        release(books, books.referrals[name])
    for pair in list(books.pairs.values()):
        settle(books, pair)
    desk = Desk(partial(_decide, books), books.answers, deed=deed, lasts=lasts)
    return [desk.reply(request) for request in requests]


def _decide(books: Books, command: Command) -> Outcome:
    if any(map(books.is_erased, concerned(books, command))):
        return refused(ERASED, "this customer was erased")
    return DECISIONS[type(command)](books, command)
