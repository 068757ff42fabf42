"""Address spaces: page tables, ASIDs and PASIDs, and the domains made of them."""
