"""The product's rules: one folder for each feature, with the same file names in each."""
