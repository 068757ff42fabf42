"""WrapDrive: queues of an accelerator in a program's hands, whatever carries them."""
