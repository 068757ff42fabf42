"""Short scripts to copy from; each runs in `tests/examples`."""
