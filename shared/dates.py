"""Days and instants, as every service reckons with them."""

import datetime as dt

AHEAD = dt.timedelta(hours=24)
"""How far ahead of its receipt something may say it happened: a till's clock may be off, not in another week."""


def is_ahead(occurred_at: dt.datetime, received_at: dt.datetime) -> bool:
    """Tell whether something claims to have happened later than a wrong clock explains."""
    return occurred_at - received_at > AHEAD
