"""How the delivery of messages went: taken by the other side, to be tried again, or given up."""

from dataclasses import replace
from typing import Literal

from services.notifications.books import Books
from services.notifications.commands import BookDelivery, HearDelivery, Outcome, RetryNotification, refused
from services.notifications.decisions.events import emit, named
from services.notifications.decisions.saying import fail, suppress
from services.notifications.records import Dispatch, Notification
from services.notifications.rules.permission import Message, is_over


def book_delivery(books: Books, command: BookDelivery) -> Outcome:
    dispatch = books.dispatches.get(command.notification_id)
    if dispatch is None or dispatch.status != "waiting":
        return Outcome("repeated")
    if dispatch.attempts != command.attempt and command.became != "sent":
        return Outcome("ignored")  # whoever has taken it since will tell
    notification = books.notifications[command.notification_id]
    dispatch.answer = command.answer
    books.keep_dispatch(dispatch)
    match command.became:
        case "sent":
            return _sent(books, dispatch, notification)
        case "later" if command.due_at is not None and not _is_over(notification, command):
            dispatch.due_at, dispatch.attempts = command.due_at, dispatch.attempts - (not command.counts)
            return Outcome("booked", more={"became": "later", "channel": dispatch.channel})
        case "suppressed":
            return _stop(books, dispatch, notification, command.answer)
        case _:
            _end(books, dispatch, "failed")
            return fail(books, notification, command.answer)


def _is_over(notification: Notification, command: BookDelivery) -> bool:
    message = Message(notification.purpose, notification.happened_at, notification.until)
    return command.due_at is not None and is_over(message, command.due_at)


def _sent(books: Books, dispatch: Dispatch, notification: Notification) -> Outcome:
    _end(books, dispatch, "sent")
    return arrived(books, notification)


def arrived(books: Books, notification: Notification) -> Outcome:
    """Book that the other side has taken a notification."""
    notification.status = "sent"
    books.keep_notification(notification)
    emit(books, notification.customer_id, "notification.sent", named(notification))
    return Outcome("booked", more={"became": "sent", "channel": notification.channel})


def _stop(books: Books, dispatch: Dispatch, notification: Notification, reason: str) -> Outcome:
    """Let it be: since it was requested, the customer or their address has said no."""
    _end(books, dispatch, "failed")
    notification.said_at = None
    return suppress(books, notification, reason)


def hear_delivery(books: Books, command: HearDelivery) -> Outcome:
    notification = books.notifications[command.notification_id]
    if notification.said_at is None:
        return refused("notification-unsaid", f"it is {notification.status}: nobody was asked to deliver it")
    if command.became == "sent" and notification.status == "requested":
        return _answer(arrived(books, notification), notification)
    if command.became == "bounced" and notification.status in {"requested", "sent"}:
        return _answer(fail(books, notification, "bounced"), notification)
    is_news = command.became in {"complained", "delayed"}
    return _answer(Outcome("booked" if is_news else "repeated"), notification)


def retry(books: Books, command: RetryNotification) -> Outcome:
    """Plan it anew: whether it may be said is judged again, and it is written with what is known then."""
    notification = books.notifications[command.notification_id]
    if notification.status != "failed":
        return refused("notification-not-failed", f"it is {notification.status}")
    notification.status, notification.due_at = "planned", books.now
    notification.channel = notification.reason = notification.said_at = None
    books.keep_notification(notification)
    return _answer(Outcome("booked"), notification)


def _answer(outcome: Outcome, notification: Notification) -> Outcome:
    # as it is now, whatever the same batch makes of it
    return outcome._replace(notification=replace(notification))


def _end(books: Books, dispatch: Dispatch, status: Literal["sent", "failed"]) -> None:
    dispatch.status, dispatch.ended_at = status, books.now
    dispatch.address = dispatch.message = None
