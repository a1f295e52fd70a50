"""Where bytes lie: the promise that every driver keeps, and the drivers."""
