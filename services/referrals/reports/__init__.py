"""What recommendations bring and cost, read from the books as they stand; nothing here writes or locks.

Reading order: `counted` (which friends and purchases count) → `funnel`, `cost`, `friends` (the reports, each beside its SQL)
→ `catalogue` → `reader` → `routes`; what reports have in common is in `shared.reports`.
"""
