"""Everything that speaks HTTP: one folder for each protocol, and the front that chooses between them."""
