"""Widths of what travels everywhere."""

ADDR_BITS = 64   # client addresses
PA_BITS = 52     # physical addresses; bits above OAS are 0
SID_BITS = 32
SSID_BITS = 20
