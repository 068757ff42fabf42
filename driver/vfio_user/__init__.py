"""vfio-user: devices over UNIX sockets, server and client."""
