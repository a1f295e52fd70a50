"""The only SQL of accounts."""
