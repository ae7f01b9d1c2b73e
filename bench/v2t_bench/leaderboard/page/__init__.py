"""The boards as one file that a browser shows: no server, no network, nothing fetched."""
