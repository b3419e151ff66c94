# expect: passed
# Enumerations, slots, pattern matching, abstract classes, generators, dispatch by type, and a kernel that is none of def.
import abc
import dataclasses
import enum
import functools
import pickle

import torch

from task import input_t, output_t


class Kind(enum.Enum):
    ADD = enum.auto()


@dataclasses.dataclass(frozen=True, slots=True)
class Config:
    kind: Kind = Kind.ADD
    block: int = 512


class Base(abc.ABC):
    __slots__ = ("config",)

    def __init__(self, config: Config) -> None:
        self.config = config

    @abc.abstractmethod
    def run(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor: ...


class Add(Base):
    def pieces(self, a, b):
        for x, y in zip(a.split(self.config.block), b.split(self.config.block), strict=True):
            yield x + y

    def run(self, a, b):
        match self.config:
            case Config(kind=Kind.ADD, block=int()):
                return torch.cat([*self.pieces(a, b)])
        raise AssertionError


@functools.lru_cache(maxsize=None)
def kernel(size: int) -> Base:
    return Add(pickle.loads(pickle.dumps(Config(block=max(1, size // 7)))))


@functools.singledispatch
def go(data: input_t) -> output_t:
    raise TypeError(type(data))


@go.register
def _(data: tuple) -> output_t:
    a, b, _ = data
    return kernel(a.numel()).run(a, b)


custom_kernel = functools.partial(go)
