"""What is kept, and where? Rows as Parquet files below one root: the only room that knows the layout of an output."""
