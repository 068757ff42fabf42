"""Engines: what is done with the bytes of a job, one file each."""
