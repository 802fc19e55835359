"""Reads a shop's past purchases and cancellations from files, in bounded memory, as the events that a shop would send.

`presets` (which column says what) → `records` (bytes to fields) → `lines` (fields to values) → `staging` (rows to invoices,
cancellations to what they take back) → `events` → `booking`; `rejected` has what could not be used, `run` drives it all.
"""
