"""The program of a GPU machine that is reached by nobody: it asks a server for runs over HTTPS and judges them."""
