"""The schema's history: forward only, never edited once released."""
