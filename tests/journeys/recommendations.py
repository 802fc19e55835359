"""The referrals service's double, until it stands: says what is owed for recommendations, and that it is not, on real Kafka."""

import json
from itertools import count

from confluent_kafka import Producer

REFERRALS = "loyalty.referrals"


class Recommendations:
    """Says all of it anew, under other names, as often as it is asked: as a service whose events are replayed."""

    def __init__(self, servers: str) -> None:
        self._producer = Producer({"bootstrap.servers": servers, "log_level": 0})
        self._events = count()

    def reward(self, number: int, points: int) -> None:
        self._say("rewarded", number, reward={"kind": "points", "points": points})

    def reverse(self, number: int) -> None:
        self._say("reversed", number, reason="refunded")

    def flush(self) -> None:
        assert self._producer.flush(30) == 0

    def _say(self, happened: str, number: int, **more: object) -> None:
        event, customer_id = next(self._events), f"c-{number}"
        data = {
            "customer_id": customer_id,
            "referral_id": f"referral-{number}",
            "side": "referrer",
            "code": "7K2M-9QF4",
            "friend_id": f"friend-{number}",
            "referrer_id": customer_id,
            "programme_version": 1,
            "reward_id": f"referral-{number}/referrer",
            "occurred_at": "2026-11-23T09:15:00Z",
        }
        document = {
            "specversion": "1.0",
            "id": f"e-{event}",
            "source": "/loyalty/referrals",
            "type": f"loyalty.referral.{happened}.v1",
            "subject": customer_id,
            "time": "2026-11-23T09:15:00Z",
            "sequence": f"{event + 1:020d}",
            "data": data | more,
        }
        self._producer.produce(REFERRALS, key=customer_id, value=json.dumps(document))
