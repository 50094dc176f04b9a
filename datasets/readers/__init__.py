"""The readers, one file a dataset: which categories it has, which samples a category, how a picture is read."""
