"""Pages for people: what the hub holds, in the reader's language."""
