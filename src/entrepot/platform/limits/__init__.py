"""How often somebody did something in the last hours, counted for all processes together."""
