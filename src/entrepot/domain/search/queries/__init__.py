"""What search asks the database for: what is written of repositories, and which of them somebody may see."""
