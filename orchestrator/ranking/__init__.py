"""Who leads, and how sure is that? A pure function of rows."""
