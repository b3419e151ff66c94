"""Ways to reach a GPU: one interface, one module each."""
