"""What the notifications service says: how coupons begin and end, and what becomes of messages to customers."""

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from shared.contracts.coupons import FreeArticle, MoneyVoucher, PercentageVoucher, PointsBenefit, Shipping
from shared.contracts.envelope import Envelope
from shared.contracts.values import CustomerId, Flag, Identifier, Instant


class CouponEnded(BaseModel):
    """A coupon that nobody can use any more; of a reward, with its claim. One use of a code for everybody is `shared`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "code": "XMAS-7K2M-9QF4-T3HJ",
                    "customer_id": "c-42",
                    "coupon_id": "2c1f4b52-6f0e-4bd6-9d58-6f0f5b0c7a11",
                    "claim_id": "2c1f4b52-6f0e-4bd6-9d58-6f0f5b0c7a11",
                    "occurred_at": "2026-11-23T09:15:00Z",
                },
                {
                    "code": "SUMMER26",
                    "customer_id": "c-42",
                    "shared": True,
                    "shop_id": "webshop-de",
                    "invoice_number": "R-2026-000123",
                    "occurred_at": "2026-11-23T09:15:00Z",
                },
            ]
        }
    )

    code: Identifier
    customer_id: CustomerId
    coupon_id: Identifier | None = None
    claim_id: Identifier | None = None
    shared: Flag = False
    shop_id: Identifier | None = None
    invoice_number: Identifier | None = None
    occurred_at: Instant | None = None


class CouponRedeemedEvent(Envelope):
    """`loyalty.coupon.redeemed.v1` on `loyalty.notifications`: a till took it."""

    type: Literal["loyalty.coupon.redeemed.v1"]
    data: CouponEnded


class CouponVoidedEvent(Envelope):
    """`loyalty.coupon.voided.v1` on `loyalty.notifications`: no till will take it, and none has."""

    type: Literal["loyalty.coupon.voided.v1"]
    data: CouponEnded


class CouponExpiredEvent(Envelope):
    """`loyalty.coupon.expired.v1` on `loyalty.notifications`: its time is over, and no till has taken it."""

    type: Literal["loyalty.coupon.expired.v1"]
    data: CouponEnded


class CouponIssued(BaseModel):
    """A customer has a coupon; one of `kind: points` is points, which whoever keeps points books once for its `coupon_id`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-42",
                    "coupon_id": "3f0e9c1a-7a5e-4f9b-8a57-1c2f6f0d7b11",
                    "occasion": "birthday",
                    "value": {"kind": "points", "points": 100},
                    "occurred_at": "2026-11-23T09:15:00Z",
                }
            ]
        }
    )

    customer_id: CustomerId
    coupon_id: Identifier
    code: Identifier | None = None
    occasion: Identifier | None = None
    value: Annotated[
        PointsBenefit | FreeArticle | PercentageVoucher | MoneyVoucher | Shipping, Field(discriminator="kind")
    ]
    valid_until: dt.datetime | None = None
    categories: list[Identifier] = []
    """Only lines of these count; without any, all do."""
    stacks: Flag = False
    """Whether others that stack may be used beside it."""
    occurred_at: Instant | None = None


class SurveyAnswered(BaseModel):
    """A customer answered a survey; what they said stays with whoever asked."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"customer_id": "c-42", "survey": "autumn-2026", "occurred_at": "2026-11-23T09:15:00Z"}]
        }
    )

    customer_id: CustomerId
    survey: Identifier
    occurred_at: Instant | None = None


class CouponIssuedEvent(Envelope):
    """`loyalty.coupon.issued.v1` on `loyalty.notifications`: a customer has a coupon."""

    type: Literal["loyalty.coupon.issued.v1"]
    data: CouponIssued


class SurveyAnsweredEvent(Envelope):
    """`loyalty.survey.answered.v1` on `loyalty.notifications`: a customer answered a survey."""

    type: Literal["loyalty.survey.answered.v1"]
    data: SurveyAnswered


# Messages

Purpose = Literal["offers", "account", "necessary"]

TOLD: dict[str, Any] = {
    "customer_id": "c-42",
    "notification_id": "5f0c0a0e-6a0f-5d0b-9d3c-7f0e2a1b4c55",
    "about": "occasion:birthday",
    "purpose": "offers",
    "channel": "email",
    "occurred_at": "2026-11-23T09:15:00Z",
}


def _told(**more: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [{**TOLD, **more}]})


class NotificationTold(BaseModel):
    """A message to a customer; `about` is what it is said for: a kind of message, or `occasion:NAME`."""

    model_config = _told()

    customer_id: CustomerId
    notification_id: Identifier
    about: Identifier
    purpose: Purpose
    channel: Identifier | None = None
    occurred_at: Instant | None = None


class NotificationRequested(NotificationTold):
    """A message as it is to arrive; where it is `delivered_by` the shop, the shop's own mailer sends it.

    Its `notification_id` tells a repeat: one that had failed may be requested again. With `unsubscribe_url` it has to
    offer the way out, in mail as `List-Unsubscribe` with one click; after `until` it means nothing any more.
    """

    model_config = _told(
        channel="email",
        to="anna@example.com",
        language="de",
        subject="Alles Gute zum Geburtstag!",
        text="Liebe Anna,\n\nwir gratulieren Ihnen herzlich ...\n",
        html="<p>Liebe Anna,</p><p>wir gratulieren Ihnen herzlich ...</p>",
        unsubscribe_url="https://shop.example/notifications/v1/links/eyJjIjoiYy00MiJ9",
        preferences_url="https://shop.example/notifications/v1/links/eyJwIjoiYy00MiJ9",
        template="birthday",
        template_version=0,
        delivered_by="loyalty",
        until="2026-11-30T23:00:00Z",
        coupon_id="5f0c0a0e-6a0f-5d0b-9d3c-7f0e2a1b4c55",
    )

    to: str
    language: str
    subject: str
    text: str
    html: str
    unsubscribe_url: str | None = None
    preferences_url: str | None = None
    template: str
    template_version: int
    delivered_by: Literal["shop", "loyalty"]
    until: dt.datetime | None = None
    coupon_id: Identifier | None = None


class NotificationUnsaid(NotificationTold):
    """A message that did not reach its customer; `reason` says why, in a word or as the other side said it."""

    model_config = _told(reason="consent-withdrawn")

    reason: str


class NotificationRequestedEvent(Envelope):
    """`loyalty.notification.requested.v1` on `loyalty.notifications`: a message is to be delivered."""

    type: Literal["loyalty.notification.requested.v1"]
    data: NotificationRequested


class NotificationSentEvent(Envelope):
    """`loyalty.notification.sent.v1` on `loyalty.notifications`: whoever delivers on the channel has taken it."""

    type: Literal["loyalty.notification.sent.v1"]
    data: NotificationTold


class NotificationSuppressedEvent(Envelope):
    """`loyalty.notification.suppressed.v1` on `loyalty.notifications`: it was not said, by the customer's will or the rules."""

    type: Literal["loyalty.notification.suppressed.v1"]
    data: NotificationUnsaid


class NotificationFailedEvent(Envelope):
    """`loyalty.notification.failed.v1` on `loyalty.notifications`: it was said, and does not arrive."""

    type: Literal["loyalty.notification.failed.v1"]
    data: NotificationUnsaid


EVENTS: TypeAdapter[Any] = TypeAdapter(
    Annotated[
        CouponIssuedEvent
        | CouponRedeemedEvent
        | CouponVoidedEvent
        | CouponExpiredEvent
        | NotificationRequestedEvent
        | NotificationSentEvent
        | NotificationSuppressedEvent
        | NotificationFailedEvent,
        Field(discriminator="type"),
    ]
)
"""What is said today."""
