"""What a mail server's answer says of an address: the enhanced status codes of RFC 3463 and 5248, and the plain ones."""

import re
from collections.abc import Collection

STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?!\d|\.\d)")

NOBODY: Collection[str] = frozenset({"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
"""No such mailbox, or no such domain, or it is closed. A mailbox that is full, or a policy against us, is no fault of the address."""

NOBODY_PLAINLY: Collection[int] = frozenset({550, 551, 553})


def status_in(text: str) -> str | None:
    """Return the first enhanced status code of an answer."""
    found = STATUS.search(text)
    return found[0] if found else None


def is_gone(status: str | None, code: int | None = None) -> bool:
    """Whether nothing should be sent to the address any more; the enhanced status says it more exactly than the reply code."""
    return code in NOBODY_PLAINLY if status is None else status in NOBODY
