"""What a plan allows: for now, how much may be pulled."""
