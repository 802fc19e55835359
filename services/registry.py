"""The services that there are, and what a process needs of each: another one joins with its settings and its entry here."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any, ClassVar, Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

import services.notifications
import services.notifications.handlers
import services.notifications.jobs
import services.notifications.links
import services.notifications.programme
import services.notifications.verification
import services.points
import services.points.handlers
import services.points.jobs
import services.points.programme
import services.points.verification
import services.referrals
import services.referrals.contacts
import services.referrals.handlers
import services.referrals.jobs
import services.referrals.programme
import services.referrals.verification
from services.notifications.service import NotificationsService
from services.notifications.settings import NotificationsSettings
from services.points.service import PointsService
from services.points.settings import PointsSettings
from services.referrals.service import ReferralsService
from services.referrals.settings import ReferralsSettings
from shared.customers import People
from shared.documents import Document, Fault
from shared.http import Api, Check
from shared.jobs import Job
from shared.messaging.events import Subscription
from shared.service import Service
from shared.settings import Settings
from shared.verification import Finding

Made = TypeVar("Made", bound=Service[Any, Any])


class AllSettings(PointsSettings, ReferralsSettings, NotificationsSettings):
    """What every service takes from one environment, for a process that runs or looks after several."""

    services: ClassVar[frozenset[str]] = (
        PointsSettings.services | ReferralsSettings.services | NotificationsSettings.services
    )


Part = Callable[[], Coroutine[Any, Any, None]]
"""What runs beside an API, or makes a worker, until it is cancelled."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The document of a shop's rules for a service, and what says where it does not fit together."""

    programme: type[Document]
    faults: Callable[[Any], Sequence[Fault]]


@dataclass(frozen=True, slots=True, eq=False)
class Kind(Generic[Made]):
    """A service as its processes know it; `says` are the topics that its outbox goes to."""

    name: str
    port: int
    package: ModuleType
    settings: type[Settings]
    make: Callable[..., Made]
    subscription: Callable[[Made], Subscription]
    says: tuple[str, ...]
    jobs: Callable[[Made, AsyncEngine], list[Job]]
    job_connections: int
    verify: Callable[[AsyncConnection], Awaitable[list[Finding]]]
    job_aliases: Mapping[str, str] = field(default_factory=dict)
    rules: Rules | None = None
    workers: str | None = None
    """Its module whose `parts` a worker of it runs beside what every one does."""

    @property
    def url_field(self) -> str:
        """The setting that names its database."""
        return f"{self.name}_database_url"

    @property
    def database(self) -> str:
        """The name of its database in a PostgreSQL of our own."""
        return f"loyalty_{self.name}"

    def database_url(self, settings: Settings) -> str | None:
        """Return the database that is configured for it."""
        url: str | None = getattr(settings, self.url_field)
        return url

    def create_app(self, service: Made, settings: Settings, *, checks: Mapping[str, Check] | None = None) -> Api:
        """Put its API together."""
        app: Api = self._load("app").create_app(service, settings, checks=checks)
        return app

    @property
    def people(self) -> People | None:
        """How it knows people, and forgets them."""
        found: People | None = getattr(self._load("app"), "PEOPLE", None)
        return found

    def asyncapi(self) -> dict[str, Any]:
        """Return the document of its events."""
        document: dict[str, Any] = self._load("documents").asyncapi()
        return document

    def parts(self, service: Made, settings: Settings) -> Sequence[Part]:
        """Return what else a worker of it runs."""
        return [] if self.workers is None else self._load(self.workers).parts(service, settings)

    def _load(self, module: str) -> Any:
        # half of what a service is to load serves its API, which most commands never do
        return import_module(f"{self.package.__name__}.{module}")


POINTS = Kind(
    name="points",
    port=8001,
    package=services.points,
    settings=PointsSettings,
    make=lambda engine, _settings, **options: PointsService(engine, **options),
    rules=Rules(services.points.programme.Programme, services.points.programme.faults),
    subscription=lambda points: services.points.handlers.subscription(points.ledger, clock=points.clock),
    says=("loyalty.points", "loyalty.purchases", "loyalty.customers"),
    jobs=services.points.jobs.jobs,
    job_connections=services.points.jobs.CONNECTIONS,
    job_aliases=services.points.jobs.ALIASES,
    verify=services.points.verification.verify,
)

REFERRALS = Kind(
    name="referrals",
    port=8002,
    package=services.referrals,
    settings=ReferralsSettings,
    make=lambda engine, settings, **options: ReferralsService(
        engine, contacts=services.referrals.contacts.contacts_of(settings), **options
    ),
    rules=Rules(services.referrals.programme.Programme, services.referrals.programme.faults),
    subscription=lambda referrals: services.referrals.handlers.subscription(
        referrals.lifecycle, contacts=referrals.contacts, clock=referrals.clock
    ),
    says=("loyalty.referrals", "loyalty.customers"),
    jobs=services.referrals.jobs.jobs,
    job_connections=services.referrals.jobs.CONNECTIONS,
    job_aliases=services.referrals.jobs.ALIASES,
    verify=services.referrals.verification.verify,
)

NOTIFICATIONS = Kind(
    name="notifications",
    port=8003,
    package=services.notifications,
    settings=NotificationsSettings,
    make=lambda engine, settings, **options: NotificationsService(
        engine,
        links=services.notifications.links.links_of(settings),
        delivers_mail=settings.delivers_mail,
        **options,
    ),
    workers="sending.parts",
    rules=Rules(services.notifications.programme.Programme, services.notifications.programme.faults),
    subscription=lambda notifications: services.notifications.handlers.subscription(
        notifications.delivery, clock=notifications.clock
    ),
    says=("loyalty.notifications", "loyalty.customers"),
    jobs=services.notifications.jobs.jobs,
    job_connections=services.notifications.jobs.CONNECTIONS,
    job_aliases=services.notifications.jobs.ALIASES,
    verify=services.notifications.verification.verify,
)

KINDS: Mapping[str, Kind[Any]] = {each.name: each for each in (POINTS, REFERRALS, NOTIFICATIONS)}
"""All of them by name."""


def kinds_here(settings: AllSettings) -> list[Kind[Any]]:
    """Return the services whose databases are configured; where none is, all of them, on a PostgreSQL of our own."""
    configured = [each for each in KINDS.values() if each.database_url(settings) is not None]
    return configured or list(KINDS.values())
