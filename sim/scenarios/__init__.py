"""The scenarios of the original discussion (vfio.md 4), each runnable on any backend."""
