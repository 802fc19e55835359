"""The way to Kafka, and the only importer of aiokafka: how we consume, how we produce, which topics there are."""

import asyncio
import logging
import tomllib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordTooLargeError,
)
from aiokafka.partitioner import murmur2
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

__all__ = [
    "AIOKafkaConsumer",
    "AIOKafkaProducer",
    "CommitFailedError",
    "ConsumerRebalanceListener",
    "IllegalStateError",
    "KafkaError",
    "MessageSizeTooLargeError",
    "RecordTooLargeError",
    "Topic",
    "TopicPartition",
    "ask",
    "consumer",
    "create_topics",
    "dead_letter_topic",
    "declared",
    "delete_topics",
    "partition_of",
    "producer",
    "refresh_topics",
    "stop",
    "topic_ids",
]

log = structlog.get_logger(__name__)

DECLARATION = Path(__file__).parents[2] / "deploy/topics.toml"
DAY_MS = 24 * 60 * 60 * 1000
TOPIC_ALREADY_EXISTS = 36
LOOKS, LOOK_SECONDS = 40, 0.05
LARGEST_RECORD = 4 << 20
STOP_SECONDS = 3.0
SESSION_MS = 6_000
"""So long the partitions of a process that died wait for another."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it is made where it is missing; `replication` -1 leaves the number to the broker."""

    name: str
    partitions: int
    replication: int = -1
    config: Mapping[str, str] = field(default_factory=dict)


def dead_letter_topic(topic: str) -> str:
    return f"{topic}.dlt"


def declared(names: Iterable[str], *, declaration: Path = DECLARATION, partitions: int | None = None) -> list[Topic]:
    """Return the named topics and their dead-letter topics; `partitions` goes over what is declared for busy topics."""
    document = tomllib.loads(declaration.read_text())
    topics = []
    for name in names:
        busy = _topic(name, document["defaults"], document["topics"].get(name, {}), partitions)
        topics += [busy, _topic(dead_letter_topic(name), document["defaults"], document["dead_letters"], None)]
    return topics


@lru_cache(maxsize=1 << 16)
def partition_of(key: bytes, partitions: int) -> int:
    """Return where every client that partitions like the Java one puts this key."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


def _topic(name: str, defaults: Mapping[str, Any], own: Mapping[str, Any], partitions: int | None) -> Topic:
    return Topic(
        name,
        partitions or own.get("partitions", defaults["partitions"]),
        own.get("replication", defaults["replication"]),
        {**defaults["config"], **own.get("config", {})},
    )


async def create_topics(bootstrap_servers: str, topics: Iterable[Topic]) -> None:
    """Make the topics that are missing; those that stand are left as they are. Raises `KafkaError`."""
    wanted = list(topics)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        response = await admin.create_topics([_new_topic(each) for each in wanted])
        for name, code, *message in response.topic_errors:
            if code not in {0, TOPIC_ALREADY_EXISTS}:
                raise KafkaError(f"{name} can't be made: error {code} {message}")
        await _seen(admin, {each.name for each in wanted})
    finally:
        await admin.close()


async def _seen(admin: AIOKafkaAdminClient, names: set[str]) -> None:
    """Wait a little until topics can be seen: one that somebody else is making at the same instant is there before."""
    for _ in range(LOOKS):
        if names <= set(await admin.list_topics()):
            return
        await asyncio.sleep(LOOK_SECONDS)


async def ask(bootstrap_servers: str) -> None:
    """Return where a broker answers. Raises `KafkaError`."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    try:
        await admin.start()
    finally:
        await admin.close()


async def delete_topics(bootstrap_servers: str, names: Iterable[str]) -> None:
    """Delete topics and all that stands in them; for tests and the clearing of development clusters. Raises `KafkaError`."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        response = await admin.delete_topics(list(names))
        for name, code in response.topic_error_codes:
            if code != 0:
                raise KafkaError(f"{name} can't be deleted: error {code}")
    finally:
        await admin.close()


async def topic_ids(client: AIOKafkaConsumer, topics: Iterable[str]) -> dict[str, str]:
    """Return each topic's own id, which a topic of the same name made anew does not share; a topic that is not there, or
    a broker that gives none (before Kafka 2.8), has no entry. Raises `KafkaError`.
    """
    connections = client._client  # noqa: SLF001 - the only way to ask a broker what the client has no words for
    try:
        response = await connections.send(connections.get_random_node(), _TopicsRequest(list(topics)))
    except NotImplementedError:
        return {}
    found = {name: _uuid(high, low) for code, name, high, low, *_ in response.topics if code == 0}
    return {name: identity for name, identity in found.items() if any(character not in "0-" for character in identity)}


async def refresh_topics(client: AIOKafkaConsumer) -> None:
    """Have the client learn now which topics and partitions there are, not when its time has come."""
    await client._client.force_metadata_update()  # noqa: SLF001 - it has no public name


def _uuid(high: int, low: int) -> str:
    return str(uuid.UUID(int=(high % (1 << 64)) << 64 | low % (1 << 64)))


class _TopicsResponseV10(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", CompactArray(
            ("node_id", Int32), ("host", CompactString()), ("port", Int32), ("rack", CompactString()),
            ("tags", TaggedFields),
        )),
        ("cluster_id", CompactString()),
        ("controller_id", Int32),
        ("topics", CompactArray(
            ("error_code", Int16), ("name", CompactString()), ("id_high", Int64), ("id_low", Int64),
            ("is_internal", Boolean),
            ("partitions", CompactArray(
                ("error_code", Int16), ("index", Int32), ("leader", Int32), ("leader_epoch", Int32),
                ("replicas", CompactArray(Int32)), ("isr", CompactArray(Int32)),
                ("offline_replicas", CompactArray(Int32)), ("tags", TaggedFields),
            )),
            ("authorized_operations", Int32), ("tags", TaggedFields),
        )),
        ("cluster_authorized_operations", Int32),
        ("tags", TaggedFields),
    )  # fmt: skip


class _TopicsRequestV10(RequestStruct):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _TopicsResponseV10
    SCHEMA = Schema(
        ("topics", CompactArray(
            ("id_high", Int64), ("id_low", Int64), ("name", CompactString()), ("tags", TaggedFields),
        )),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )  # fmt: skip


class _TopicsRequest(Request[_TopicsRequestV10]):  # type: ignore[misc]
    """The client's own request for metadata ends at version 5; the ids of topics begin with version 10."""

    API_KEY = 3

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_TopicsRequestV10]) -> _TopicsRequestV10:
        named: list[Any] = [(0, 0, name, {}) for name in self._topics]
        return request_struct_class(named, False, False, False, {})  # noqa: FBT003 - the wire's own order


def _new_topic(topic: Topic) -> NewTopic:
    # the client takes -1, the broker's own number, only beside an assignment of replicas, and an empty one is none
    replicas: dict[int, list[int]] | None = {} if topic.replication == -1 else None
    return NewTopic(topic.name, topic.partitions, topic.replication, replicas, dict(topic.config))


class _Coordinators(logging.Filter):
    """A new broker has no coordinator for its first second; the client asks again, and calls each answer an error."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "GroupCoordinatorNotAvailableError" not in record.getMessage()


logging.getLogger("aiokafka.consumer.group_coordinator").addFilter(_Coordinators())


async def stop(client: AIOKafkaConsumer | AIOKafkaProducer) -> None:
    """Stop a client, without waiting long for a broker that may be away or for a group that finds itself anew: what it has
    not done is done again from the database.
    """
    try:
        await asyncio.wait_for(client.stop(), timeout=STOP_SECONDS)
    except (TimeoutError, KafkaError) as error:
        log.warning("kafka_client_abandoned", error=repr(error))


def consumer(bootstrap_servers: str, *, group: str) -> AIOKafkaConsumer:
    """Return a consumer that never commits by itself and is bounded in what it holds; the caller subscribes and starts it."""
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        client_id=f"loyalty-{group}",
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        rebalance_timeout_ms=60_000,
        session_timeout_ms=SESSION_MS,
        heartbeat_interval_ms=SESSION_MS // 3,
        # a batch waits for its database as long as that takes; the watchdog of the consumer ends what is stuck
        max_poll_interval_ms=DAY_MS,
        metadata_max_age_ms=30_000,
        max_partition_fetch_bytes=2 << 20,
        fetch_max_bytes=32 << 20,
    )


def producer(bootstrap_servers: str, *, client: str) -> AIOKafkaProducer:
    """Return a producer that never writes a record twice and fills large batches; the caller starts it."""
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers,
        client_id=f"loyalty-{client}",
        enable_idempotence=True,
        acks="all",
        linger_ms=5,
        max_batch_size=512 << 10,
        max_request_size=LARGEST_RECORD,
    )
