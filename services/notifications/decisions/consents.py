"""What customers agree to and no longer do, and addresses that messages come back from (rule 30)."""

import datetime as dt

import orjson

from services.notifications.books import Books
from services.notifications.commands import (
    ChooseConsents,
    ConfirmConsent,
    HearConsent,
    HearReport,
    LiftAddress,
    Outcome,
    refused,
)
from services.notifications.records import (
    QUESTION,
    ConsentKey,
    Notification,
    question_id,
    question_reference,
)
from services.notifications.rules.consent import (
    Consent,
    Proof,
    Refused,
    Standing,
    ask,
    bounced,
    complained,
    confirm,
    delivered,
    holds,
    spelled,
    withdraw,
)
from services.notifications.rules.permission import MEANINGFUL

AHEAD = dt.timedelta(days=1)
"""So much later than ours a clock may be."""

INSTANT = dt.timedelta(microseconds=1)


def hear_consent(books: Books, command: HearConsent) -> Outcome:
    """Keep a yes or a no with its proof; on some channels a yes is a question first, which is owed as a message."""
    if command.at is not None and command.at > books.now + AHEAD:
        return refused("consent-ahead", "it was said more than a day from now", "/at")
    key = _key(books, command)
    if books.customer(command.customer_id).erased_at is not None:
        return refused("customer-erased", f"{command.customer_id} was erased")
    proof = Proof(command.at or _here(books, key), command.how, command.text)
    before = books.consents.get(key)
    if not command.is_given:
        # the first no of several is the proof, unless an instant says that a later one is another
        is_repeated = command.at is None and before is not None and before.state == "withdrawn"
        return _keep(books, key, before if before is not None and is_repeated else withdraw(before, proof))
    after = ask(before, proof, is_confirmed_later=command.channel in books.programme.double_opt_in)
    if after != before and after.state == "asked":
        _owe_question(books, key, proof.at)
    return _keep(books, key, after)


def _key(books: Books, command: HearConsent | ConfirmConsent) -> ConsentKey:
    """Return what is spoken of: who goes on as another still has links under their old name."""
    return books.name(command.customer_id), command.channel, command.purpose


def _here(books: Books, key: ConsentKey) -> dt.datetime:
    """Return when it is said what a customer says here: after all they have said, whosever clock was ahead."""
    before = books.consents.get(key)
    last = None if before is None else before.last_word
    return books.now if last is None else max(books.now, last + INSTANT)


def _keep(books: Books, key: ConsentKey, after: Consent) -> Outcome:
    if after == books.consents.get(key):
        return Outcome("repeated", consent=after, now=books.now)
    books.keep_consent(key, after)
    return Outcome("booked", consent=after, now=books.now)


def _owe_question(books: Books, key: ConsentKey, asked_at: dt.datetime) -> None:
    """Owe the message that asks for a confirmation, on the channel that it is about; nobody is asked what they said long ago."""
    customer_id, channel, purpose = key
    name = question_id(customer_id, channel, purpose, asked_at)
    if name in books.notifications or asked_at < books.now - MEANINGFUL:
        return
    until = asked_at + dt.timedelta(days=books.programme.confirm_days)
    content = {"channel": channel, "purpose": purpose, "until": until.astimezone(books.programme.zone).date()}
    books.keep_notification(
        Notification(
            name,
            customer_id,
            QUESTION,
            question_reference(channel, purpose, asked_at),
            "planned",
            "necessary",
            asked_at,
            books.now,
            until,
            content=orjson.dumps(content).decode(),
            channel=channel,
        )
    )


def confirm_consent(books: Books, command: ConfirmConsent) -> Outcome:
    key = _key(books, command)
    if books.customer(command.customer_id).erased_at is not None:
        return refused("customer-erased", f"{command.customer_id} was erased")
    before = books.consents.get(key)
    if (
        before is not None
        and before.state == "asked"
        and before.asked is not None
        and before.asked.at != command.asked_at
    ):
        return refused("consent-asked-anew", "there is a newer question, which they were sent")
    proof = Proof(_here(books, key), command.how, command.text)
    after = confirm(before, proof, within_days=books.programme.confirm_days)
    if isinstance(after, Refused):
        return refused(after.reason, "the question is not open any more")
    return _keep(books, key, after)


def choose_consents(books: Books, command: ChooseConsents) -> Outcome:
    """Say yes and no where it is not so yet, as the customer has it on the page before them."""
    said = [
        each
        for each in _all_choices(books, command)
        if _holds(books, each) is not each.is_given or command.nothing_else
    ]
    outcomes = [hear_consent(books, each) for each in said]
    refusal = next((each for each in outcomes if each.status == "refused"), None)
    return refusal or Outcome("booked" if any(each.is_new for each in outcomes) else "repeated", now=books.now)


def _all_choices(books: Books, command: ChooseConsents) -> list[HearConsent]:
    choices = {_key(books, each): each for each in command.choices}
    if command.nothing_else:
        for key in books.consents:
            if key[0] == books.name(command.customer_id) and key not in choices:
                choices[key] = HearConsent(*key, is_given=False, how=command.how, text=command.text)
    return list(choices.values())


def _holds(books: Books, said: HearConsent) -> bool:
    before = books.consents.get(_key(books, said))
    return holds(before, books.now, within_days=books.programme.confirm_days)


# Addresses


def hear_report(books: Books, command: HearReport) -> Outcome:
    key = command.channel, spelled(command.channel, command.address)
    before = books.standings.get(key, Standing())
    after = _after(before, command, books)
    if after == before:
        return Outcome("repeated", standing=after, now=books.now)
    books.keep_standing(key, after)
    return Outcome("booked", standing=after, now=books.now)


def _after(before: Standing, command: HearReport, books: Books) -> Standing:
    if command.kind == "delivered":
        return delivered(before)
    if command.kind == "complained":
        return complained(before, books.now)
    is_final = command.kind == "bounced"
    return bounced(before, books.now, is_final=is_final, most=books.programme.suppression.soft_bounces)


def lift_address(books: Books, command: LiftAddress) -> Outcome:
    key = command.channel, spelled(command.channel, command.address)
    if books.standings.get(key, Standing()) == Standing():
        return refused("address-unknown", "no message to it came back")
    books.keep_standing(key, Standing())
    return Outcome("booked", standing=Standing(), now=books.now)
