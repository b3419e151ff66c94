from dataclasses import dataclass


@dataclass
class Scale:
    factor: float
