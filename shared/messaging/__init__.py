"""Events on their way: in from Kafka or a neighbour, out through the outbox, aside as dead letters."""
