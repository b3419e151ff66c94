"""Pictures: what a message shows as PNG. Values in, bytes out; no Discord and no database."""
