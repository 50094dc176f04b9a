"""What was asked, what is there, which trials follow? Pure, but for preflight, which looks at the data."""
