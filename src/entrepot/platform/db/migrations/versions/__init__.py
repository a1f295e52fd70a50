"""One revision for each file, named NNNN_{expand|backfill|contract}_what."""
