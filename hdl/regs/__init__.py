"""The SMMU's programming interface: AXI4-Lite slave and register file (reference 1)."""
