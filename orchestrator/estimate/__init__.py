"""How long, how much?"""
