"""Finished cells as rows: one long CSV that is the same, byte for byte, for the same cells."""
