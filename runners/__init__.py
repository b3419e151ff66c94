"""What is deployed to GPU machines. Imports ``kernelbot.judge`` and nothing else of ours."""
