"""Faults are set up with what tests of the messaging use."""

from tests.shared.messaging.proxy import wire  # noqa: F401 - a fixture
