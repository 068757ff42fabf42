"""Driver of the SMMU: probe, queues, stream and context descriptor tables."""
