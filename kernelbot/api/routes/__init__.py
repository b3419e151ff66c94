"""Routes by noun. Each parses, calls one service and renders what it returned."""
