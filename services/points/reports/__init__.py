"""Measures of a loyalty programme, read from the books as they stand; nothing here writes or locks.

A report is one or two set-based statements, some arithmetic, and a picture of the answer. Reading order:
`shared.reports` (what a report is and how it is read) → `narrowing` (what these take) → `measures` (the arithmetic) →
`customers`, `sales`, `points`, … (the reports, each beside its SQL) → `catalogue` → `reader` → `routes`.
"""
