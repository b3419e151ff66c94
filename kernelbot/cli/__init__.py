"""The command line. It talks HTTP like anybody else, and judges locally without a server."""
