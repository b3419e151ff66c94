"""KernelBot: competitions for GPU kernels, judged without trusting the code being judged."""

__version__ = "0.1.0"
