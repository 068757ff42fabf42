"""Random work for the accelerator inside the whole design, every byte of it judged."""
