"""Measures of a loyalty programme, read from the books as they stand; nothing here writes or locks.

A report is one or two set-based statements, some arithmetic, and a picture of the answer. Reading order: `questions` (what
is asked, in local days) → `measures` (the arithmetic) → `report` (what a report is) → `customers`, `sales`, `points`, …
(the reports, each beside its SQL) → `catalogue` → `reader` → `rendering` and `drawing` → `routes`.
"""
