"""What does a reader look at? An output as one HTML file, and the paper's figures, from its rows alone."""
