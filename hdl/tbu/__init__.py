"""The translation buffer unit: one per client, between its AXI4 port and memory."""
