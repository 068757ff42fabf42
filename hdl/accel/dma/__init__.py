"""Data movement: the AXI master and the byte-exact gather and scatter in front of the engines."""
