"""How is one detector trained, kept and measured? It knows no backend."""
