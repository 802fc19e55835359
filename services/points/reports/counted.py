"""Which purchases count, with what they earned and whether they were promoted."""

from shared.reports.purchases import counted

COUNTED = counted("account", "award", "promoted")
