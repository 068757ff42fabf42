"""One driver for the whole device, over any backend: the golden model or the RTL."""
