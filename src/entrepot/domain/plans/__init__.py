"""What a plan allows: how much may be pulled, how much of a namespace may be private, and how many people are in it."""
