"""What customers agree to, over REST and from events: the part of the notifications service that keeps their proofs."""
