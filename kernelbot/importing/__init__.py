"""Tasks of other collections, turned into problem folders: text in, text out; nothing is run."""
