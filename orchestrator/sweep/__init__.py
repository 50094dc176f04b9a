"""What runs next, who runs it, and what follows from a row?"""
