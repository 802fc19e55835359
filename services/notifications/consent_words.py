"""Consents as the shop's customer records say them."""

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from typing import get_args

from services.notifications.commands import HearConsent
from services.notifications.rules.consent import ConsentPurpose
from shared.contracts.customers import Consent

CHANNEL = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
PURPOSES: dict[str, ConsentPurpose] = {each: each for each in get_args(ConsentPurpose)}
RECORD = "customer record"
"""How somebody agreed of whom the shop only says that they did."""


def consents_of(customer_id: str, said: Sequence[Consent], said_at: dt.datetime) -> Iterator[HearConsent]:
    """Yield what a record says of consents, `said_at` where it tells no instant; of what nobody here sends, nothing."""
    for each in said:
        channel, purpose = _word(each.channel), PURPOSES.get(_word(each.purpose))
        if CHANNEL.fullmatch(channel) and purpose is not None and each.is_given is not None:
            how, text, at = each.how or RECORD, each.text or "", each.at or said_at
            yield HearConsent(customer_id, channel, purpose, each.is_given, how, text, at)


def _word(said: str | None) -> str:
    return (said or "").strip().lower()
