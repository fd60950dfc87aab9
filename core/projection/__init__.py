"""Maps: representations in two dimensions, by UMAP in a process of its own."""
