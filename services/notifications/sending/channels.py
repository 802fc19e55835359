"""The ways that settings and web hooks open: one line for each channel that we deliver on."""

from services.notifications.channels.file_outbox import FileOutbox
from services.notifications.channels.mail import Sender
from services.notifications.channels.servers import mail_server
from services.notifications.channels.smtp import Smtp
from services.notifications.hooks.calling import webhook_of
from services.notifications.hooks.keeping import Hook
from services.notifications.rules.reaching import MAIL
from services.notifications.sending.posting import Line
from services.notifications.settings import NotificationsSettings
from shared.settings import SettingsError

NOBODY = "shop@shop.example"
"""The sender of mails that stay in a folder."""

CALLS_AT_ONCE = 10


def mail_line(settings: NotificationsSettings) -> Line | None:
    """Return the line for mail. Raises `SettingsError` where a server is named, and nobody as the sender."""
    url, folder, rate = settings.notifications_smtp_url, settings.outbox_folder, settings.notifications_mails_per_second
    if url is not None:
        return Line(MAIL, Smtp(mail_server(url), _sender(settings)), rate)
    return None if folder is None else Line(MAIL, FileOutbox(folder, _sender(settings, NOBODY)), rate)


def _sender(settings: NotificationsSettings, otherwise: str | None = None) -> Sender:
    address = settings.notifications_sender_address or otherwise
    if address is None:
        message = "LOYALTY_NOTIFICATIONS_SENDER_ADDRESS: is needed beside LOYALTY_NOTIFICATIONS_SMTP_URL"
        raise SettingsError(message)
    return Sender("", address, settings.notifications_reply_to, settings.notifications_bounce_address)


def hook_line(settings: NotificationsSettings, hook: Hook) -> Line:
    """Return the line for a channel that has a web hook."""
    return Line(
        hook.channel,
        webhook_of(settings, hook.url, hook.secrets),
        settings.notifications_calls_per_second,
        CALLS_AT_ONCE,
    )
