"""What a call hands to its kernel: an array of words, most of which are the same for many calls."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

LINE = 16
"""Parts of one memory start at multiples of so many numbers (a cache line of float32)."""


class Words:
    """The words of a kernel by name.

    Args:
        index: the position of each word that the kernel reads.
    """

    def __init__(self, index: Mapping[str, int]):
        self.index = index
        self.values = [0] * max(1, len(index))

    def set(self, name: str, value: int) -> None:
        """Set a word, if the kernel reads it."""
        position = self.index.get(name)
        if position is not None:
            self.values[position] = value


def _whole_lines(elements: int) -> int:
    return -(-elements // LINE) * LINE


def elements_of(parts: Mapping[str, int]) -> int:
    """The elements of a memory that these parts share."""
    return sum(map(_whole_lines, parts.values()))


Values = list[int] | ctypes.Array[ctypes.c_int64]
"""The words' values: a kernel is given an array of them."""


class Region:
    """Buffers that share one memory.

    Args:
        words: of the kernel; tells which buffers it reads.
        parts: elements by the name of the word that is to point to them.
        size: bytes of an element.

    Attributes:
        size: bytes of an element.
        elements: of the whole memory.
        slices: where in it each buffer is.
    """

    def __init__(self, words: Words, parts: Mapping[str, int], size: int):
        self.size = size
        self.slices: dict[str, slice] = {}
        self.elements = 0
        for name, elements in parts.items():
            self.slices[name] = slice(self.elements, self.elements + elements)
            self.elements += _whole_lines(elements)
        self._placed = [
            (words.index[name], place.start * size)
            for name, place in self.slices.items()
            if name in words.index
        ]

    def place(self, values: Values, memory: Tensor) -> None:
        """Point words to the buffers in a memory."""
        start = memory.data_ptr()
        for position, offset in self._placed:
            values[position] = start + offset


class Addresses:
    """Words that point to tensors of fixed names, one tensor each.

    Args:
        words: of the kernel.
        names: of the words, in the order of the tensors; those that it does not read are left out.
    """

    def __init__(self, words: Words, names: Sequence[str]):
        self._placed = [
            (words.index[name], k) for k, name in enumerate(names) if name in words.index
        ]

    def place(self, values: Values, tensors: Sequence[Tensor], kept: list[Tensor]) -> None:
        """Point words to tensors, made contiguous.

        Args:
            values: of the words.
            tensors: in the order of the names.
            kept: takes copies that must live until the kernel has run.
        """
        for position, k in self._placed:
            tensor = tensors[k]
            if not tensor.is_contiguous():
                tensor = tensor.contiguous()
                kept.append(tensor)
            values[position] = tensor.data_ptr()


class InputWords:
    """Words of inputs ``(T, B, size)`` of any strides; their units are neighbours in memory.

    Args:
        words: of the kernel.
        names: of the inputs, in the order of their tensors.
    """

    def __init__(self, words: Words, names: Sequence[str]):
        self._placed = [
            (*(words.index[f"input.{name}{part}"] for part in ("", ".step", ".row")), k)
            for k, name in enumerate(names)
            if f"input.{name}" in words.index
        ]

    def place(self, values: Values, tensors: Sequence[Tensor], kept: list[Tensor]) -> None:
        """Point words to the inputs."""
        for address, step, row, k in self._placed:
            tensor = tensors[k]
            if tensor.shape[-1] > 1 and tensor.stride(-1) != 1:
                tensor = tensor.contiguous()
                kept.append(tensor)
            values[address] = tensor.data_ptr()
            values[step], values[row], _ = tensor.stride()

    def follow(self, values: Values, first: Values, distance: int) -> None:
        """Point words to later sequences of the inputs that other words point to.

        Args:
            values: of the words.
            first: the others.
            distance: how many sequences later, times the bytes of an element.
        """
        for address, step, row, _ in self._placed:
            values[address] = first[address] + first[row] * distance
            values[step], values[row] = first[step], first[row]


def dtype_of(size: int) -> torch.dtype:
    """The dtype of elements of so many bytes."""
    return torch.float32 if size == 4 else torch.float64
