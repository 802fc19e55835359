"""What stands on a topic, read by a client that knows nothing of ours."""

from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition


@dataclass(frozen=True)
class Record:
    partition: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]


async def standing_on(servers: str, topic: str, *, partitions: int = 2) -> list[Record]:
    """Everything on the topic, in the order of each partition."""
    places = [TopicPartition(topic, number) for number in range(partitions)]
    async with AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest") as client:
        client.assign(places)
        left = sum((await client.end_offsets(places)).values()) - sum((await client.beginning_offsets(places)).values())
        found: list[Any] = []
        while len(found) < left:
            found.append(await client.getone())
    return [Record(each.partition, each.key, each.value, dict(each.headers)) for each in found]
