"""The notifications service's double, until it stands: keeps the coupons of rewards and says how they end, on real Kafka."""

import json
from typing import Any

from confluent_kafka import Producer

from tests.journeys.reading import standing_on

POINTS, NOTIFICATIONS = "loyalty.points", "loyalty.notifications"


class Coupons:
    """`open` are good, by their code; one that a till took first can't be voided any more."""

    def __init__(self, servers: str) -> None:
        self.open: dict[str, str] = {}
        self.ended: dict[str, str] = {}
        self._servers = servers
        self._producer = Producer({"bootstrap.servers": servers, "log_level": 0})

    def read(self) -> list[str]:
        """Take in all that the points service has said, and do as it asks. Returns the types of what was said of rewards."""
        events = [json.loads(each.value) for each in standing_on(self._servers, POINTS)]
        said = [each for each in events if each["type"].startswith("loyalty.reward.")]
        for each in said:
            self._hear(each["type"].split(".")[2], each["data"])
        return [each["type"].split(".")[2] for each in said]

    def _hear(self, happened: str, data: dict[str, Any]) -> None:
        code = data["code"]
        if code in self.ended:
            return
        if happened == "claimed":
            self.open[code] = data["customer_id"]
        elif happened == "cancelling":
            self._end(code, "voided")

    def redeem(self, code: str) -> None:
        """Take a coupon at a till."""
        self._end(code, "redeemed")

    def _end(self, code: str, became: str) -> None:
        """Say it twice and under two names, as a service that died in between may."""
        customer_id = self.open.pop(code)
        self.ended[code] = became
        for number in range(2):
            event = {
                "specversion": "1.0",
                "id": f"{code}-{number}",
                "source": "/loyalty/notifications",
                "type": f"loyalty.coupon.{became}.v1",
                "subject": customer_id,
                "data": {"code": code, "customer_id": customer_id},
            }
            self._producer.produce(NOTIFICATIONS, key=customer_id, value=json.dumps(event))
        assert self._producer.flush(30) == 0
