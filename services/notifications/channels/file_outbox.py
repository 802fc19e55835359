"""Delivers into a folder that a browser can open: the mail as it would have left, its HTML, and a list of the newest.

For development and demonstrations. A repeat writes the same files again, and nobody ever sees half a file.
"""

import asyncio
import datetime as dt
import fcntl
import html
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.header import decode_header, make_header
from email.parser import BytesHeaderParser
from pathlib import Path

from services.notifications.channels.mail import Sender, as_mail
from services.notifications.channels.message import Message, Outcome, Refused, Sent

INDEX = "index.html"
MOST_LISTED = 200

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{title}</title><style>
:root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}
table{{border-collapse:collapse;width:100%}}th,td{{text-align:left;padding:.4rem .6rem;border-bottom:1px solid #8884;
overflow-wrap:anywhere}}time{{white-space:nowrap}}pre{{white-space:pre-wrap}}</style></head>
<body><h1>{title}</h1>
{body}
</body></html>
"""


@dataclass(frozen=True, slots=True)
class _Listed:
    name: str
    written: str
    to: str
    subject: str


class FileOutbox:
    """A folder of mails; several processes may write to it."""

    def __init__(self, folder: Path, sender: Sender) -> None:
        self._folder = folder
        self._sender = sender

    async def send(self, message: Message) -> Outcome:
        """Write a mail and list it. Raises `OSError` where the folder can't be written to: nobody else will repair that."""
        try:
            mail = as_mail(message, self._sender)
        except ValueError as error:
            return Refused(str(error))
        return await asyncio.to_thread(self._write, message, mail)

    def _write(self, message: Message, mail: bytes) -> Outcome:
        name = file_name(message)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(self._folder):
            _put(self._folder / f"{name}.eml", mail)
            _put(self._folder / f"{name}.html", _shown(message).encode())
            _put(self._folder / INDEX, _index(self._folder).encode())
        return Sent(f"{name}.eml")


def file_name(message: Message) -> str:
    """Return a name that sorts by time and is the same for each try: `20261224T080000Z-3f0e9c1a`."""
    return f"{message.written_at.astimezone(dt.UTC):%Y%m%dT%H%M%SZ}-{message.notification_id}"


def _shown(message: Message) -> str:
    if message.html is not None:
        return message.html
    return PAGE.format(title=html.escape(message.subject), body=f"<pre>{html.escape(message.text)}</pre>")


def _index(folder: Path) -> str:
    mails = sorted(folder.glob("[!.]*.eml"), key=lambda path: path.name, reverse=True)
    rows = "\n".join(_row(_listed(path)) for path in mails[:MOST_LISTED])
    more = f"<p>and {len(mails) - MOST_LISTED} older ones</p>" if len(mails) > MOST_LISTED else ""
    table = f"<table><tr><th>Written</th><th>To</th><th>Subject</th><th></th></tr>\n{rows}</table>{more}"
    return PAGE.format(title="Outbox", body=table)


def _listed(path: Path) -> _Listed:
    with path.open("rb") as file:
        headers = BytesHeaderParser().parse(file)
    date, to, subject = (str(make_header(decode_header(headers[name]))) for name in ("Date", "To", "Subject"))
    return _Listed(path.stem, date, to, subject)


def _row(mail: _Listed) -> str:
    name, written, to, subject = (html.escape(each) for each in (mail.name, mail.written, mail.to, mail.subject))
    links = f'<td><a href="{name}.html">{subject}</a></td><td><a href="{name}.eml">eml</a></td>'
    return f"<tr><td><time>{written}</time></td><td>{to}</td>{links}</tr>"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One writer at a time, or an older list could come to lie over a newer one; the lock ends with its process."""
    with (folder / ".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _put(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.part")
    beside.write_bytes(content)
    os.replace(beside, path)  # noqa: PTH105 - as a reader sees it: the old file or the new one
