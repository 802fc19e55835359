"""Where mail goes, as the environment says it, and what is refused by name."""

from pathlib import Path

import pytest

from services.notifications.channels.servers import mail_server
from services.notifications.sending.channels import mail_line
from services.notifications.settings import NotificationsSettings
from shared.settings import SettingsError, read

URL = "postgresql://user:password@host:5432/notifications"


@pytest.mark.parametrize(
    ("url", "security", "port"),
    [
        ("smtps://mail.example", "tls", 465),
        ("smtp://mail.example", "starttls", 587),
        ("smtp://mail.example:25?security=none", "none", 25),
        ("smtp://127.0.0.1:2525", "none", 2525),
    ],
)
def test_a_url_says_how_safe_the_way_is(url: str, security: str, port: int) -> None:
    server = mail_server(url)
    assert (server.security, server.port) == (security, port)


def test_a_user_and_a_password_may_have_any_letters() -> None:
    server = mail_server("smtps://shop%40example.com:p%2Fw@mail.example")
    assert (server.username, server.password) == ("shop@example.com", "p/w")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("SMTP_URL", "mail.example"),
        ("SMTP_URL", "smtp://user:s3cret@mail.example?security=none"),
        ("SMTP_URL", "smtp://mail.example?security=later"),
        ("SMTP_URL", "smtp://mail.example?speed=high"),
        ("SMTP_URL", "smtp://mail.example:lots"),
        ("SENDER_ADDRESS", "the shop"),
        ("MAILS_PER_SECOND", "0"),
        ("HOOK_NETWORKS", "10.0.0.0/99"),
        ("PUBLIC_URL", "http://messages.shop.example"),
        ("PUBLIC_URL", "http://localhost.shop.example"),
    ],
)
def test_what_is_wrong_is_refused_by_name(field: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"LOYALTY_NOTIFICATIONS_{field}", value)
    with pytest.raises(SettingsError, match=f"LOYALTY_NOTIFICATIONS_{field}: ") as refused:
        read(NotificationsSettings)
    assert "s3cret" not in str(refused.value)


def test_a_mail_server_needs_a_sender() -> None:
    with pytest.raises(SettingsError, match="LOYALTY_NOTIFICATIONS_SENDER_ADDRESS"):
        mail_line(NotificationsSettings(notifications_smtp_url="smtp://mail.example"))


def test_mail_lies_in_a_folder_beside_a_database_of_our_own(tmp_path: Path) -> None:
    assert NotificationsSettings(data_dir=tmp_path).outbox_folder == tmp_path / "outbox"
    named = NotificationsSettings(notifications_database_url=URL, notifications_file_outbox=tmp_path)
    assert named.outbox_folder == tmp_path


def test_elsewhere_it_is_left_to_the_shops_own_mailer() -> None:
    settings = NotificationsSettings(notifications_database_url=URL)
    assert not settings.delivers_mail
    assert mail_line(settings) is None
