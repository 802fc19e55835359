"""The life of a consent, with its proofs, and of an address that messages come back from (rule 30).

A consent belongs to a customer, a channel and a purpose. What is heard late never undoes what was said after it.
"""

import datetime as dt
from typing import Literal, NamedTuple

ConsentPurpose = Literal["offers", "account"]
"""What can be agreed to; whatever is necessary is said without."""

State = Literal["asked", "given", "withdrawn"]


class Proof(NamedTuple):
    """When, how and to which text somebody agreed, or no longer does."""

    at: dt.datetime
    how: str
    text: str


class Consent(NamedTuple):
    """Of a consent that was withdrawn the proofs are kept: it was one until then."""

    state: State
    asked: Proof | None = None
    confirmed: Proof | None = None
    withdrawn: Proof | None = None

    @property
    def last_word(self) -> dt.datetime | None:
        """When the customer last said anything about it."""
        proofs = (self.asked, self.confirmed, self.withdrawn)
        return max((proof.at for proof in proofs if proof is not None), default=None)


class Refused(NamedTuple):
    """Why a consent stays as it is."""

    reason: Literal["consent-not-asked", "confirmation-late"]


def ask(before: Consent | None, proof: Proof, *, is_confirmed_later: bool) -> Consent:
    """Return what becomes of a consent when the customer says yes; on some channels that is only a question to them."""
    if before is not None and _is_outdated(before, proof.at):
        return before
    if is_confirmed_later:
        return before if before is not None and before.state == "given" else Consent("asked", proof)
    return Consent("given", proof)


def _is_outdated(before: Consent, at: dt.datetime) -> bool:
    """Tell whether the customer has said something since; of a yes and a no at the same instant the no counts."""
    last = before.last_word
    return last is not None and (at < last or (at == last and before.state == "withdrawn"))


def confirm(before: Consent | None, proof: Proof, *, within_days: int) -> Consent | Refused:
    """Return what becomes of a consent when the customer follows the link in the question; a repeat changes nothing."""
    if before is None or before.asked is None or before.state == "withdrawn":
        return Refused("consent-not-asked")
    if before.state == "given":
        return before
    if proof.at > before.asked.at + dt.timedelta(days=within_days):
        return Refused("confirmation-late")
    return before._replace(state="given", confirmed=proof)


def withdraw(before: Consent | None, proof: Proof) -> Consent:
    """Return what becomes of a consent when the customer says no, asked or not."""
    if before is None:
        return Consent("withdrawn", withdrawn=proof)
    if _is_outdated(before, proof.at):
        return before
    return before._replace(state="withdrawn", withdrawn=proof)


def holds(consent: Consent | None, now: dt.datetime, *, within_days: int) -> bool:
    """Tell whether a customer's last word is a yes, be it one that still waits to be confirmed."""
    if consent is None or consent.asked is None or consent.state == "withdrawn":
        return False
    return consent.state == "given" or now <= consent.asked.at + dt.timedelta(days=within_days)


# Addresses


class Standing(NamedTuple):
    """What is known of an address: how often in a row mail to it came back, and what keeps it from getting any."""

    soft_bounces: int = 0
    bounced_at: dt.datetime | None = None
    complained_at: dt.datetime | None = None


def bounced(before: Standing, at: dt.datetime, *, is_final: bool, most: int) -> Standing:
    """Return what is known of an address after a bounce; `most` in a row that may pass are as one that is final."""
    soft_bounces = before.soft_bounces + (not is_final)
    gives_up = before.bounced_at is None and (is_final or soft_bounces >= most)
    return before._replace(soft_bounces=soft_bounces, bounced_at=at if gives_up else before.bounced_at)


def delivered(before: Standing) -> Standing:
    """Return what is known of an address that took a message: bounces in a row are counted anew."""
    return before._replace(soft_bounces=0)


def complained(before: Standing, at: dt.datetime) -> Standing:
    """Return what is known of an address whose owner called a message unwanted."""
    return before if before.complained_at is not None else before._replace(complained_at=at)


def spelled(channel: str, address: str) -> str:
    """Return an address as it is looked up: servers that tell capital letters from small ones are not met any more."""
    return address.strip().lower() if channel == "email" else address.strip()


def masked(address: str) -> str:
    """Return an address as it is shown where it must not be kept: `a…@example.com`, `…78`."""
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}" if at else f"…{address[-2:]}"
