"""The old place of readers/synthetic.py, for those who still import it from here."""

from datasets.readers.synthetic import write_files

__all__ = ["write_files"]
