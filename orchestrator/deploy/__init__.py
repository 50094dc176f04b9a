"""How is a detector used?"""
