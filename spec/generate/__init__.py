"""Documents and C header generated from spec/."""
