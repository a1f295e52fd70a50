"""The only statements about the catalogue's tables."""
