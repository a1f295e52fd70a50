"""What a hub knows of images beside their bytes: their kind, their platforms, who likes them, and on which shelves they are."""
