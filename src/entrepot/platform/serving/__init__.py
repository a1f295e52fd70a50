"""The web server: granian's supervisor and workers, and how they stop."""
