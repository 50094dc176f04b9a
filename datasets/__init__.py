"""Datasets: from a folder (or a generator) to labelled samples, one uint8 array a category, and a split.

catalog.find_dataset(name) -> scan(root, category) -> [Sample] -> images.load(...) -> Images -> split(...) -> Split
"""
