"""Ways to turn texts into vectors."""
