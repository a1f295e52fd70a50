"""What the program says of itself: its log."""
