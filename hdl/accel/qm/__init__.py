"""Queue manager: registers, mailbox, doorbells, contexts, scheduling, completion, events."""
