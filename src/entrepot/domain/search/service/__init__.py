"""What search does: following changes into the index, and finding."""
