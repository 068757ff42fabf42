"""Command queue, event queue and interrupts of the SMMU (reference 6, 7)."""
