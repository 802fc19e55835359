"""The preference page as rows of channels and purposes, and what its form says."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, get_args
from urllib.parse import parse_qs

from services.notifications.commands import ChooseConsents, HearConsent
from services.notifications.pages.words import Words, channel_words, filled
from services.notifications.programme import Programme
from services.notifications.records import ConsentKey
from services.notifications.rules.consent import Consent, ConsentPurpose, holds

PURPOSES: tuple[ConsentPurpose, ...] = get_args(ConsentPurpose)
HOW = "preference page"
MOST_FIELDS = 500


def channels_of(programme: Programme, consents: Iterable[ConsentKey]) -> list[str]:
    """Return the channels that a customer is asked about: where they said anything, and where a yes is confirmed."""
    return sorted({*programme.double_opt_in, *(channel for _, channel, _ in consents)}) or ["email"]


def rows_of(
    words: Words, programme: Programme, consents: Mapping[ConsentKey, Consent], now: dt.datetime
) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return each channel with a row for each purpose, as the page shows them."""
    by_name = {(channel, purpose): consent for (_, channel, purpose), consent in consents.items()}

    def row(channel: str, purpose: ConsentPurpose) -> dict[str, Any]:
        consent = by_name.get((channel, purpose))
        is_on = holds(consent, now, within_days=programme.confirm_days)
        return {
            "name": f"{channel}/{purpose}",
            "what": words.purposes[purpose],
            "explained": words.explained[purpose],
            "is_on": is_on,
            "waits": is_on and consent is not None and consent.state == "asked",
        }

    return [
        (channel_words(words, channel), [row(channel, purpose) for purpose in PURPOSES])
        for channel in channels_of(programme, consents)
    ]


def chosen(form: bytes, customer_id: str, words: Words, channels: Iterable[str]) -> ChooseConsents:
    """Return what a form says, of the rows that were shown in it: a box that is not ticked is not sent."""
    said = _fields(form)
    shown, ticked, wants_nothing = said.get("shown", []), said.get("on", []), said.get("do") == ["nothing"]
    choices = tuple(
        _choice(customer_id, words, channel, purpose, is_given=f"{channel}/{purpose}" in ticked and not wants_nothing)
        for channel in channels
        for purpose in PURPOSES
        if f"{channel}/{purpose}" in shown
    )
    return ChooseConsents(customer_id, choices, HOW, words.refuse_all, nothing_else=wants_nothing)


def _choice(customer_id: str, words: Words, channel: str, purpose: ConsentPurpose, *, is_given: bool) -> HearConsent:
    text = filled(words, words.agree if is_given else words.refuse, channel, purpose)
    return HearConsent(customer_id, channel, purpose, is_given, HOW, text)


def _fields(form: bytes) -> dict[str, list[str]]:
    try:
        return parse_qs(form.decode(errors="replace"), max_num_fields=MOST_FIELDS)
    except ValueError:
        return {}
