"""Other people's documents as pure code: no input or output, no settings, one folder for each document."""
