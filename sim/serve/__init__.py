"""`substream serve`: the device behind vfio-user sockets, as a process."""
