"""From what was planned to what lies in the mailbox, on the real database."""

from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifications.books import House
from services.notifications.sending.alarm import Alarm
from services.notifications.sending.channels import mail_line
from services.notifications.sending.posting import Poster
from services.notifications.sending.saying import Sayer
from services.notifications.service import NotificationsService
from services.notifications.settings import NotificationsSettings
from tests.notifications.messages import NOW, enrol, plan, statuses, told


@pytest.fixture
def sending(engine: AsyncEngine) -> NotificationsService:
    return NotificationsService(engine, house=House(delivers_mail=True), clock=lambda: NOW)


@pytest.fixture
def sayer(sending: NotificationsService) -> Sayer:
    return Sayer(sending, Alarm())


async def test_what_is_due_lies_in_the_file_outbox(
    engine: AsyncEngine, sending: NotificationsService, sayer: Sayer, tmp_path: Path
) -> None:
    await enrol(engine)
    await plan(engine)
    assert await sayer.say_due() == 1
    line = mail_line(NotificationsSettings(notifications_file_outbox=tmp_path / "outbox"))
    assert line is not None
    poster = Poster(sending, line, Alarm())
    assert await poster.send_due() == 0
    assert await poster.send_due() is None
    assert await statuses(engine) == {"occasion:birthday": ("sent", None)}
    issued, requested, sent = await told(engine)
    assert [each["type"] for each in (issued, requested, sent)] == [
        "coupon.issued",
        "notification.requested",
        "notification.sent",
    ]
    (mail,) = (tmp_path / "outbox").glob("*.eml")
    assert issued["code"] in mail.with_suffix(".html").read_text()
    assert requested["subject"] == "Alles Gute zum Geburtstag!"
    assert "Liebe Frau Muster" in requested["text"]
