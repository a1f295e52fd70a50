"""The use cases of accounts. Whether somebody may ask for one is decided above, by `domain/access`."""
