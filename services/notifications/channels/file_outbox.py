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
from email.header import decode_header, make_header
from email.parser import BytesHeaderParser
from pathlib import Path

from services.notifications.channels.mail import Sender, as_mail
from services.notifications.channels.message import Message, Outcome, Refused, Sent

INDEX = "index.html"
NAMES = "????????T??????Z-*.eml"
MOST_LISTED = 200

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{title}</title><style>
:root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui,sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem}}
ol{{list-style:none;padding:0}}li{{padding:.6rem 0;border-top:1px solid #8884;overflow-wrap:anywhere}}
small{{display:block;opacity:.75}}pre{{white-space:pre-wrap}}</style></head>
<body><h1>{title}</h1>
{body}
</body></html>
"""


class FileOutbox:
    """A folder of mails; several processes may write to it."""

    def __init__(self, folder: Path, sender: Sender) -> None:
        self._folder = folder
        self._sender = sender
        self._rows: dict[str, str] = {}

    async def send(self, message: Message) -> Outcome:
        """Write a mail and list it. Raises `OSError` where the folder can't be written to: nobody else will repair that."""
        try:
            mail = as_mail(message, self._sender)
        except ValueError as error:
            return Refused(str(error), asked=False)
        return await asyncio.to_thread(self._write, message, mail)

    async def close(self) -> None:
        """Do nothing: each file is closed when it is written."""

    def _write(self, message: Message, mail: bytes) -> Outcome:
        name = file_name(message)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(self._folder):
            _put(self._folder / f"{name}.eml", mail)
            _put(self._folder / f"{name}.html", _shown(message).encode())
            self._rows.pop(name, None)
            _put(self._folder / INDEX, self._index().encode())
        return Sent(f"{name}.eml")

    def _index(self) -> str:
        names = sorted((path.stem for path in self._folder.glob(NAMES)), reverse=True)
        self._rows = {name: self._rows.get(name) or _row(self._folder, name) for name in names[:MOST_LISTED]}
        older = f"<p>and {len(names) - MOST_LISTED} older ones</p>" if len(names) > MOST_LISTED else ""
        return PAGE.format(title="Outbox", body="\n".join(["<ol>", *self._rows.values(), "</ol>", older]))


def file_name(message: Message) -> str:
    """Return a name that sorts by time and is the same for each try: `20261224T080000Z-3f0e9c1a`."""
    return f"{message.written_at.astimezone(dt.UTC):%Y%m%dT%H%M%SZ}-{message.notification_id}"


def _shown(message: Message) -> str:
    if message.html is not None:
        return message.html
    return PAGE.format(title=html.escape(message.subject), body=f"<pre>{html.escape(message.text)}</pre>")


def _row(folder: Path, name: str) -> str:
    with (folder / f"{name}.eml").open("rb") as file:
        headers = BytesHeaderParser().parse(file)
    shown = (str(make_header(decode_header(headers.get(header, "")))) for header in ("Date", "To", "Subject"))
    name, written, to, subject = (html.escape(each) for each in (name, *shown))
    about = f'<small>{to} · <time>{written}</time> · <a href="{name}.eml">.eml</a></small>'
    return f'<li><a href="{name}.html">{subject}</a>{about}</li>'


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
