"""What every route asks first: the service behind it."""

from fastapi import Request

from services.notifications.service import NotificationsService

REUSED = "idempotency-key-reused"


def service_of(http: Request) -> NotificationsService:
    notifications: NotificationsService = http.app.state.service
    return notifications
