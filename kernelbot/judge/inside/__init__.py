"""What runs inside the untrusted process, started from a copy of this folder alone."""
