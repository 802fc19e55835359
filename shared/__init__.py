"""What every service needs and none owns: contracts, messaging, database, HTTP style, settings."""
