"""Memory side of the TCU: many block ports onto one AXI4 master."""
