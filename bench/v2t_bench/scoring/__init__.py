"""Scores: pure functions of stored outputs."""
