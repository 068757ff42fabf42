"""The golden model: what an SMMUv3 and the shared accelerator do, functionally, in plain Python."""
