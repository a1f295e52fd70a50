"""One-time passwords that an app and a server compute alike."""
