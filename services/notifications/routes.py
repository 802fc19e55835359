"""What the routes of the service share."""

from fastapi import Request as HttpRequest

from services.notifications.service import NotificationsService

REUSED = "idempotency-key-reused"


def service_of(http: HttpRequest) -> NotificationsService:
    notifications: NotificationsService = http.app.state.service
    return notifications
