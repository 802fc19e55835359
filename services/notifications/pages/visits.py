"""How often pages are asked for: wrong tokens by the address they come from, right ones by the customer they name."""

from shared.guessing import Counts

MOST_WRONG, MOST_VISITS = 30, 60


class Visits:
    """Counts within a minute, in this process. Whoever has a right token is let in however many wrong ones came from there."""

    def __init__(self) -> None:
        self._wrong = Counts(MOST_WRONG)
        self._visits = Counts(MOST_VISITS)

    def stranger(self, address: str) -> int | None:
        """Count a wrong token, and return for how many seconds its sender has to wait, if so."""
        return _counted(self._wrong, address)

    def customer(self, customer_id: str) -> int | None:
        """Count a visit, and return for how many seconds the customer has to wait, if so."""
        return _counted(self._visits, customer_id)


def _counted(counts: Counts, caller: str) -> int | None:
    seconds = counts.wait(caller)
    if seconds is None:
        counts.count(caller)
    return seconds
