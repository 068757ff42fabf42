"""Driver of the accelerator: queue manager bring-up, queues, jobs."""
