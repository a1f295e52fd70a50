"""What is left of Docker's first registry interface and still used: the search of `docker search` and `podman search`."""
