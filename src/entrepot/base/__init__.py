"""What every other tier may use: errors, settings, the clock and identifiers. Imports the standard library and msgspec only."""
