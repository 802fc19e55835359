"""Web hooks that messages are delivered to, one for each channel: kept by staff, called by the service."""
