"""Stalled transactions: their tags, their waiting room, and the answers to them."""
