"""The judge: runs beside the GPU, decides about one submission, imports nothing else of the project."""
