"""Reads a shop's past purchases and cancellations from files, in bounded memory, as the events that a shop would send."""
