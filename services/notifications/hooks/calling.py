"""Web hooks as they are called: in the networks that settings allow."""

from collections.abc import Sequence

from services.notifications.channels.webhook import Hook, Webhook
from services.notifications.settings import NotificationsSettings, networks
from shared.clock import utc_now


def webhook_of(settings: NotificationsSettings, url: str, secrets: Sequence[str]) -> Webhook:
    """Return the client of a web hook, with its connections. Raises `ValueError` where there could be none."""
    hook = Hook(
        url=url,
        secrets=secrets,
        allowed_networks=networks(settings.notifications_hook_networks),
        plain_http=settings.notifications_hooks_without_tls,
    )
    return Webhook(hook, now=utc_now)
