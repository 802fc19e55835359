"""The way to Kafka, and the only importer of aiokafka: how we consume, how we produce, which topics there are."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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
    "consumer",
    "create_topics",
    "dead_letter_topic",
    "declared",
    "producer",
]

log = structlog.get_logger(__name__)

DECLARATION = Path(__file__).parents[2] / "deploy/topics.toml"
DAY_MS = 24 * 60 * 60 * 1000
TOPIC_ALREADY_EXISTS = 36
LARGEST_RECORD = 4 << 20


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


def _topic(name: str, defaults: Mapping[str, Any], own: Mapping[str, Any], partitions: int | None) -> Topic:
    return Topic(
        name,
        partitions or own.get("partitions", defaults["partitions"]),
        own.get("replication", defaults["replication"]),
        {**defaults["config"], **own.get("config", {})},
    )


async def create_topics(bootstrap_servers: str, topics: Iterable[Topic]) -> None:
    """Make the topics that are missing; those that stand are left as they are. Raises `KafkaError`."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        response = await admin.create_topics([_new_topic(each) for each in topics])
        for name, code, *message in response.topic_errors:
            if code not in {0, TOPIC_ALREADY_EXISTS}:
                raise KafkaError(f"{name} can't be made: error {code} {message}")
    finally:
        await admin.close()


def _new_topic(topic: Topic) -> NewTopic:
    # the client takes -1, the broker's own number, only beside an assignment of replicas, and an empty one is none
    replicas = {} if topic.replication == -1 else None
    return NewTopic(topic.name, topic.partitions, topic.replication, replicas, dict(topic.config))


def consumer(bootstrap_servers: str, *, group: str) -> AIOKafkaConsumer:
    """Return a consumer that never commits by itself and is bounded in what it holds; the caller subscribes and starts it."""
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        client_id=f"loyalty-{group}",
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        rebalance_timeout_ms=60_000,
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
