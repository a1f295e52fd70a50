"""The disk under the data folder: how much room it has, and a ballast that is thrown off when it has none."""
