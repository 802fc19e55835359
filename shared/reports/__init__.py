"""What the reports of every service have in common: what is asked, how it is read, and how the answer looks.

A service keeps its reports beside their SQL and lists them in a catalogue. Reading order: `questions` (what is asked, in
local days) → `purchases` (which count) → `shares` (the arithmetic) → `report` (what a report is) → `rendering` and `drawing` →
`reader` → `routes`.
"""
