"""`entrepot demo`: a small hub to look around in. All of it is made here: nothing is fetched, and no image runs anything real."""
