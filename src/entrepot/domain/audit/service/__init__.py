"""Recording acts, putting them into the chain, signing its head, looking through it, and what becomes of old rows."""
