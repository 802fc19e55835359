"""What stands on a topic, read by a client that is not ours."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from tests.waiting import eventually

NO_LEADER_YET = {KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION}
"""A topic that was made a moment ago."""


@dataclass(frozen=True, slots=True)
class Record:
    key: bytes
    value: bytes
    headers: dict[str, bytes]


def end_of(servers: str, topic: str) -> int:
    """How many records were ever written to the topic."""
    client = Consumer({"bootstrap.servers": servers, "group.id": "outside", "log_level": 0})
    try:
        return sum(end for _, end in _bounds(client, topic).values())
    finally:
        client.close()


def standing_on(servers: str, topic: str) -> Iterator[Record]:
    """Everything on the topic, in the order of each partition; a record without a value has an empty one."""
    client = Consumer(
        {"bootstrap.servers": servers, "group.id": "outside", "enable.auto.commit": False, "log_level": 0}
    )
    try:
        bounds = _bounds(client, topic)
        left = sum(end - begin for begin, end in bounds.values())
        client.assign([TopicPartition(topic, number, begin) for number, (begin, _) in bounds.items()])
        while left > 0:
            records: list[Any] = client.consume(min(left, 10_000), timeout=20)
            assert records, f"{left} records of {topic} do not come"
            for each in records:
                yield Record(each.key() or b"", each.value() or b"", dict(each.headers() or ()))
            left -= len(records)
    finally:
        client.close()


def _bounds(client: Consumer, topic: str) -> dict[int, tuple[int, int]]:
    """The first offset of each partition, and the one after its last."""
    found: dict[int, tuple[int, int]] = {}

    def are_known() -> bool:
        try:
            for number in client.list_topics(topic, timeout=20).topics[topic].partitions:
                found[number] = client.get_watermark_offsets(TopicPartition(topic, number), timeout=20)
        except KafkaException as error:
            if error.args[0].code() not in NO_LEADER_YET:
                raise
            return False
        return True

    eventually(are_known)
    return found
