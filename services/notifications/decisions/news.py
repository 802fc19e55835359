"""What is said of itself: planned when it happens, once for ever, and dropped where it is over before it was said."""

import datetime as dt
from typing import Any

import orjson

from services.notifications.books import Books
from services.notifications.commands import AnnounceCoupon, DropMessage, Outcome, PlanMessage
from services.notifications.decisions.events import emit, named
from services.notifications.programme import purpose
from services.notifications.records import Coupon, Customer, Notification, notification_id
from services.notifications.rules.news import end_of, is_worth_announcing, last_day


def plan_message(books: Books, command: PlanMessage) -> Outcome:
    customer = books.customer(command.customer_id)
    if books.message(command.customer_id, command.subject, command.reference) is not None:
        return Outcome("repeated")
    content = _content(books, command)
    if customer.erased_at is not None or content is None:
        return Outcome("ignored")
    notification = Notification(
        notification_id(customer.customer_id, command.subject, command.reference),
        customer.customer_id,
        command.subject,
        command.reference,
        "planned",
        purpose(command.subject),
        # what is to be said later is no news before
        max(command.happened_at, command.due_at or command.happened_at),
        command.due_at or books.now,
        _until(books, command, customer),
        content=orjson.dumps(content).decode(),
        coupon_id=command.coupon_id,
    )
    books.keep_notification(notification)
    return Outcome("booked")


def _until(books: Books, command: PlanMessage, customer: Customer) -> dt.datetime | None:
    if command.last_day is None:
        return command.until
    return end_of(command.last_day, books.programme.zone_of(customer.time_zone))


def _content(books: Books, command: PlanMessage) -> dict[str, Any] | None:
    """Return what the template is told; none where the coupon that it tells of is no more."""
    zone = books.programme.zone_of(books.customer(command.customer_id).time_zone)
    content = {
        name: last_day(value, zone) if isinstance(value, dt.datetime) else value
        for name, value in command.content.items()
    }
    if command.coupon_id is None:
        return content
    coupon = books.coupons.get(command.coupon_id)
    if coupon is None or coupon.status not in {"issued", "reserved"}:
        return None
    return {**content, "gift": gift(coupon)}


def gift(coupon: Coupon) -> dict[str, Any]:
    """Return a coupon as a message tells of it."""
    return {
        "value": orjson.Fragment(coupon.value or "null"),
        "code": coupon.code,
        "valid_until": coupon.valid_until,
        "titles": orjson.Fragment(coupon.titles),
    }


def announce_coupon(books: Books, command: AnnounceCoupon) -> Outcome:
    """Tell of a coupon that ends soon, once; of one that came only just now nobody needs to be reminded."""
    coupon = books.coupons.get(command.coupon_id)
    terms = books.programme.messages.coupon_expiring
    if coupon is None or coupon.status not in {"issued", "reserved"} or coupon.valid_until is None:
        return Outcome("ignored")
    if coupon.announced:
        return Outcome("repeated")
    coupon.announced = True
    books.keep(coupon)
    if not is_worth_announcing(coupon.issued_at, coupon.valid_until, terms.days_ahead):
        return Outcome("ignored")
    return plan_message(
        books,
        PlanMessage(
            coupon.customer_id,
            "coupon_expiring",
            coupon.coupon_id,
            books.now,
            until=coupon.valid_until,
            coupon_id=coupon.coupon_id,
        ),
    )


def drop_message(books: Books, command: DropMessage) -> Outcome:
    if not drop(books, command.customer_id, command.subject, command.reference, command.reason):
        return Outcome("ignored")
    return Outcome("booked")


def drop(books: Books, customer_id: str, subject: str, reference: str, reason: str) -> bool:
    """Let what is still only planned never be said. Answers whether there was any."""
    notification = books.message(customer_id, subject, reference)
    if notification is None or notification.status != "planned":
        return False
    notification.status, notification.reason = "suppressed", reason
    books.keep_notification(notification)
    emit(books, notification.customer_id, "notification.suppressed", {**named(notification), "reason": reason})
    return True
