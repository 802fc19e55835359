"""What is asked of a service and what it answers, whichever way it came; under a key, once and for all."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar


class Origin(NamedTuple):
    """Where a command came from.

    `source` and `id` name its event for ever. `named` is false where the service gave that name itself, so that a repeat
    is judged by its content. `document` is the event as it leaves on `topic`; none where it came from that topic.
    `author` is the name of the API key that it came with.
    """

    source: str
    id: str
    received_at: dt.datetime
    time: dt.datetime | None = None
    named: bool = True
    document: bytes | None = None
    traceparent: str | None = None
    author: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A stored or fresh HTTP answer."""

    status: int
    body: bytes
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A client's key for one request; `fingerprint` covers method, path and the exact canonical body."""

    api_key: str
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Author:
    """Who asks, for the audit trail: the name of their API key, and that of the request."""

    name: str
    request_id: str


class Deed(NamedTuple):
    """What a command does, to what and why, for the audit trail."""

    action: str
    subject: str
    reason: str | None = None


class Done(NamedTuple):
    """A deed with its author, as it stands in the audit trail."""

    actor: str
    action: str
    subject: str
    request_id: str | None
    reason: str | None


class Decided(Protocol):
    """What became of a command."""

    @property
    def is_new(self) -> bool:
        """Whether it changed anything."""


Command = TypeVar("Command")
Outcome = TypeVar("Outcome", bound=Decided)


@dataclass(frozen=True)
class Request(Generic[Command, Outcome]):
    """Commands that are answered together; with a key the answer is stored in their transaction."""

    commands: list[Command]
    key: IdempotencyKey | None = None
    author: Author | None = None
    render: Callable[[Sequence[Outcome]], Answer] = lambda _outcomes: Answer(204, b"")


@dataclass(frozen=True)
class Reply(Generic[Outcome]):
    """The outcomes of a request's commands, or the answer that its key was given before."""

    outcomes: list[Outcome] = field(default_factory=list)
    replayed: Answer | None = None
    key_reused: bool = False


@dataclass(slots=True)
class Answers:
    """What keys were answered before, by API key and key, and what a batch adds: answers that last or pass, and deeds."""

    known: dict[tuple[str, str], tuple[bytes, Answer]] = field(default_factory=dict)
    new: list[tuple[IdempotencyKey, Answer, bool]] = field(default_factory=list)
    deeds: list[Done] = field(default_factory=list)


class Desk(Generic[Command, Outcome]):
    """How a service answers: `decide` is what a command does, `deed` what the audit trail says of it, and the answers of
    requests with a command that `lasts` are kept for ever, since only their keys tell a repeat.
    """

    def __init__(
        self,
        decide: Callable[[Command], Outcome],
        answers: Answers,
        *,
        deed: Callable[[Command, Outcome], Deed | None],
        lasts: Callable[[Command], bool],
    ) -> None:
        self._decide = decide
        self._answers = answers
        self._deed = deed
        self._lasts = lasts

    def reply(self, request: Request[Command, Outcome]) -> Reply[Outcome]:
        """Decide a request, or answer it as its key was answered before."""
        key = request.key
        if key is None:
            return Reply(self._outcomes(request))
        known = self._answers.known.get((key.api_key, key.key))
        if known is not None:
            fingerprint, answer = known
            return Reply(replayed=answer) if fingerprint == key.fingerprint else Reply(key_reused=True)
        outcomes = self._outcomes(request)
        answer = request.render(outcomes)
        self._answers.known[key.api_key, key.key] = key.fingerprint, answer
        self._answers.new.append((key, answer, any(map(self._lasts, request.commands))))
        return Reply(outcomes)

    def _outcomes(self, request: Request[Command, Outcome]) -> list[Outcome]:
        outcomes = [self._decide(command) for command in request.commands]
        author = request.author
        if author is not None:
            both = zip(request.commands, outcomes, strict=True)
            found = (self._deed(command, outcome) for command, outcome in both if outcome.is_new)
            self._answers.deeds += [
                Done(author.name, each.action, each.subject, author.request_id, each.reason)
                for each in found
                if each is not None
            ]
        return outcomes
