"""A folder shows what would have been sent: whole files, the newest first, and nothing of a message that is more than text."""

import asyncio
import datetime as dt
import re
import stat
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from services.notifications.channels.file_outbox import FileOutbox
from services.notifications.channels.mail import Sender
from services.notifications.channels.message import Message, Refused, Sent

SENDER = Sender("Käseladen", "news@shop.example")
MESSAGE = Message(
    notification_id="n-1",
    customer_id="c-42",
    purpose="birthday",
    to="anna@example.com",
    subject="Alles Gute, Änne!",
    text="Herzlichen Glückwunsch",
    html="<p>Herzlichen Glückwunsch</p>",
    written_at=dt.datetime(2026, 11, 24, 8, tzinfo=dt.timezone(dt.timedelta(hours=1))),
)
NAME = "20261124T070000Z-n-1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "outbox"


@pytest.fixture
def outbox(folder: Path) -> FileOutbox:
    return FileOutbox(folder, SENDER)


def index(folder: Path) -> str:
    return (folder / "index.html").read_text()


async def test_a_message_is_a_mail_and_a_page(outbox: FileOutbox, folder: Path) -> None:
    assert await outbox.send(MESSAGE) == Sent(f"{NAME}.eml")
    mail = message_from_bytes((folder / f"{NAME}.eml").read_bytes(), policy=policy.default)
    assert mail["Subject"] == MESSAGE.subject
    assert (folder / f"{NAME}.html").read_text() == MESSAGE.html
    assert f'<a href="{NAME}.html">Alles Gute, Änne!</a>' in index(folder)
    assert f'<a href="{NAME}.eml">' in index(folder)


async def test_the_newest_stand_first(outbox: FileOutbox, folder: Path) -> None:
    for day in (2, 3, 1):
        written_at = MESSAGE.written_at + dt.timedelta(days=day)
        await outbox.send(replace(MESSAGE, notification_id=f"n-{day}", written_at=written_at))
    assert re.findall(r"(n-\d)\.html", index(folder)) == ["n-3", "n-2", "n-1"]


async def test_a_repeat_is_the_same_files(outbox: FileOutbox, folder: Path) -> None:
    await outbox.send(MESSAGE)
    before = sorted(path.name for path in folder.iterdir())
    await outbox.send(MESSAGE)
    assert (
        sorted(path.name for path in folder.iterdir())
        == before
        == sorted([".lock", f"{NAME}.eml", f"{NAME}.html", "index.html"])
    )


async def test_what_looks_like_markup_stays_text(outbox: FileOutbox, folder: Path) -> None:
    await outbox.send(replace(MESSAGE, subject="<script>alert(1)</script>", text="<b>{title}</b>", html=None))
    assert "<script>" not in index(folder)
    page = (folder / f"{NAME}.html").read_text()
    assert "<script>" not in page
    assert "<pre>&lt;b&gt;{title}&lt;/b&gt;</pre>" in page


async def test_an_address_that_is_none_is_refused_as_by_mail(outbox: FileOutbox, folder: Path) -> None:
    assert isinstance(await outbox.send(replace(MESSAGE, to="../anna")), Refused)
    assert not folder.exists()


async def test_nobody_else_on_the_machine_reads_it(outbox: FileOutbox, folder: Path) -> None:
    await outbox.send(MESSAGE)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_a_long_list_says_what_it_leaves_out(outbox: FileOutbox, folder: Path) -> None:
    for number in range(203):
        await outbox.send(replace(MESSAGE, notification_id=f"n-{number}"))
    assert index(folder).count("<li>") == 200
    assert "and 3 older ones" in index(folder)


async def test_several_writers_list_each_others_mails(folder: Path) -> None:
    messages = [replace(MESSAGE, notification_id=f"n-{number}") for number in range(40)]
    await asyncio.gather(*(FileOutbox(folder, SENDER).send(message) for message in messages))
    assert index(folder).count("<li>") == 40
