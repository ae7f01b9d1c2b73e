"""Ways to guess the text behind a vector."""
