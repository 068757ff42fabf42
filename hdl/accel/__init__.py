"""The shared accelerator: a queue manager v3 device with an address space per queue."""
