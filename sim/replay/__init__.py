"""Replay: a frozen machine's structures and questions, answered again by the model or the RTL."""
