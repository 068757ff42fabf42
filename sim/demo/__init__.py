"""The demonstration: four applications share one accelerator, each in its own address space."""
