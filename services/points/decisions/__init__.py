"""What commands do to the books: a function for each, decided on what was loaded, without I/O and without a clock."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from services.points.books import Books
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
    Outcome,
    PassOn,
    Redeem,
    RefundPurchase,
    RejectAdjustment,
    ReleaseHold,
    ReplaceCard,
    Reply,
    Request,
    RetireReward,
    ReverseRedemption,
    RevokeGrant,
    SettleAccount,
    SettlePurchase,
    deed,
    lasts,
    refused,
)
from services.points.decisions.actions import give_action, hear_customer
from services.points.decisions.adjustments import adjust_balance, approve_adjustment, reject_adjustment
from services.points.decisions.care import change_status, give_tier, merge_accounts, replace_card
from services.points.decisions.catalogue import keep_reward, retire_reward
from services.points.decisions.claims import cancel_claim, claim_reward, end_coupon, fulfil_claim
from services.points.decisions.enrolment import enrol_customer
from services.points.decisions.erasing import concerned, erase_customer
from services.points.decisions.events import pass_on
from services.points.decisions.grants import grant_points, revoke_grant
from services.points.decisions.purchases import award_purchase, claim_purchase
from services.points.decisions.redemptions import capture_hold, redeem, release_hold, reverse_redemption
from services.points.decisions.refunds import refund_purchase
from services.points.decisions.settlements import settle_purchase
from services.points.decisions.settling import settle, settle_account
from services.points.decisions.transfers import give_points, join_pool, leave_pool
from shared.requests import Desk
from shared.withholding import ERASED

DECISIONS: Mapping[type[Command], Callable[[Books, Any], Outcome]] = {
    AwardPurchase: award_purchase,
    RefundPurchase: refund_purchase,
    EnrolCustomer: enrol_customer,
    AdjustBalance: adjust_balance,
    ApproveAdjustment: approve_adjustment,
    RejectAdjustment: reject_adjustment,
    GiveAction: give_action,
    HearCustomer: hear_customer,
    ClaimPurchase: claim_purchase,
    PassOn: pass_on,
    SettleAccount: settle_account,
    ChangeStatus: change_status,
    ReplaceCard: replace_card,
    MergeAccounts: merge_accounts,
    GiveTier: give_tier,
    Redeem: redeem,
    CaptureHold: capture_hold,
    ReleaseHold: release_hold,
    ReverseRedemption: reverse_redemption,
    SettlePurchase: settle_purchase,
    GivePoints: give_points,
    JoinPool: join_pool,
    LeavePool: leave_pool,
    KeepReward: keep_reward,
    RetireReward: retire_reward,
    ClaimReward: claim_reward,
    CancelClaim: cancel_claim,
    FulfilClaim: fulfil_claim,
    EndCoupon: end_coupon,
    EraseCustomer: erase_customer,
    GrantPoints: grant_points,
    RevokeGrant: revoke_grant,
}


def decide(books: Books, requests: Sequence[Request]) -> list[Reply]:
    """Book what is due on the accounts, then answer each request in turn; each sees what those before it did."""
    for account in list(books.accounts.values()):
        settle(books, account)
    desk = Desk(partial(_decide, books), books.answers, deed=deed, lasts=lasts)
    return [desk.reply(request) for request in requests]


def _decide(books: Books, command: Command) -> Outcome:
    if books.erased and not books.erased.isdisjoint(concerned(books, command)):
        return refused(ERASED, "this customer was erased")
    return DECISIONS[type(command)](books, command)
