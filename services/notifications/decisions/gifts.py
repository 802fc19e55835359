"""What an occasion gives: a coupon or points, once for its notification, in the transaction in which it is said."""

from zoneinfo import ZoneInfo

import orjson

from services.notifications.benefits import Benefit, CouponBenefit, PointsBenefit
from services.notifications.books import Books
from services.notifications.commands import IssueCoupon
from services.notifications.decisions.coupons import issue_coupon
from services.notifications.decisions.events import emit
from services.notifications.programme import Occasion
from services.notifications.records import Notification
from services.notifications.rules.coupons import valid_until
from services.notifications.templates.telling import Present


def give(books: Books, notification: Notification, occasion: Occasion, code: str | None, zone: ZoneInfo) -> None:
    """Give what the occasion brings today, unless it was given."""
    if notification.coupon_id is not None or occasion.benefit is None:
        return
    notification.coupon_id = str(notification.notification_id)
    books.keep_notification(notification)
    if isinstance(occasion.benefit, PointsBenefit):
        value = occasion.benefit.model_dump(mode="json", exclude_none=True)
        said = {"coupon_id": notification.coupon_id, "occasion": occasion.name, "value": value}
        emit(books, notification.customer_id, "coupon.issued", said)
    else:
        _issue(books, notification, occasion, occasion.benefit, code, zone)


def _issue(
    books: Books,
    notification: Notification,
    occasion: Occasion,
    benefit: CouponBenefit,
    code: str | None,
    zone: ZoneInfo,
) -> None:
    assert code is not None  # noqa: S101 - whoever says an occasion brings one
    terms = benefit.coupon
    command = IssueCoupon(
        str(notification.notification_id),
        notification.customer_id,
        "occasion",
        code,
        terms.value.model_dump_json(),
        orjson.dumps(terms.titles).decode(),
        categories=orjson.dumps(terms.categories).decode(),
        stacks=terms.stacks,
        valid_until=valid_until(books.now, terms.valid_days, zone),
        occasion=occasion.name,
    )
    issue_coupon(books, command)


def present(books: Books, notification: Notification, benefit: Benefit | None) -> Present | None:
    """Return what was given, for the message that tells of it."""
    if isinstance(benefit, PointsBenefit):
        return Present(value=benefit)
    coupon = books.coupons.get(notification.coupon_id or "")
    if coupon is None or coupon.value is None:
        return None
    return Present(
        value=orjson.loads(coupon.value),
        code=coupon.code,
        valid_until=coupon.valid_until,
        titles=orjson.loads(coupon.titles),
    )
