"""What stands on a topic, read by a client that is not ours."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, TopicPartition


@dataclass(frozen=True, slots=True)
class Record:
    key: bytes
    value: bytes
    headers: dict[str, bytes]


def end_of(servers: str, topic: str) -> int:
    """How many records were ever written to the topic."""
    client = Consumer({"bootstrap.servers": servers, "group.id": "outside", "log_level": 0})
    try:
        numbers = client.list_topics(topic, timeout=20).topics[topic].partitions
        return sum(client.get_watermark_offsets(TopicPartition(topic, each), timeout=20)[1] for each in numbers)
    finally:
        client.close()


def standing_on(servers: str, topic: str) -> Iterator[Record]:
    """Everything on the topic, in the order of each partition; a record without a value has an empty one."""
    client = Consumer(
        {"bootstrap.servers": servers, "group.id": "outside", "enable.auto.commit": False, "log_level": 0}
    )
    try:
        numbers = client.list_topics(topic, timeout=20).topics[topic].partitions
        ends = {number: client.get_watermark_offsets(TopicPartition(topic, number), timeout=20) for number in numbers}
        left = sum(end - begin for begin, end in ends.values())
        client.assign([TopicPartition(topic, number, begin) for number, (begin, _) in ends.items()])
        while left > 0:
            records: list[Any] = client.consume(min(left, 10_000), timeout=20)
            assert records, f"{left} records of {topic} do not come"
            for each in records:
                yield Record(each.key() or b"", each.value() or b"", dict(each.headers() or ()))
            left -= len(records)
    finally:
        client.close()
