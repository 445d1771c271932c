"""The element type of a kernel, and its vectors."""

from __future__ import annotations

import struct
from dataclasses import dataclass


@dataclass(frozen=True)
class Element:
    """The element type of a kernel and its vector.

    Attributes:
        name: ``float`` or ``double``.
        bytes: 4 or 8.
        lanes: numbers per vector.
    """

    name: str
    bytes: int
    lanes: int

    @property
    def vector(self) -> str:
        """The vector's type."""
        return f"<{self.lanes} x {self.name}>"

    @property
    def integer(self) -> str:
        """The vector of integers of the same width."""
        return f"<{self.lanes} x i{8 * self.bytes}>"

    @property
    def mask(self) -> str:
        """The vector of conditions."""
        return f"<{self.lanes} x i1>"

    @property
    def suffix(self) -> str:
        """How intrinsics name the vector."""
        return f"v{self.lanes}f{8 * self.bytes}"

    def literal(self, value: float) -> str:
        """A number of this type as LLVM reads it: the bits of a double."""
        if self.bytes == 4:
            value = struct.unpack("<f", struct.pack("<f", value))[0]
        return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"

    def splat(self, value: float) -> str:
        """A vector of one number."""
        one = f"{self.name} {self.literal(value)}"
        return "<" + ", ".join([one] * self.lanes) + ">"

    def splat_integer(self, value: int) -> str:
        """A vector of one integer."""
        return "<" + ", ".join([f"i{8 * self.bytes} {value}"] * self.lanes) + ">"

    def padded(self, units: int) -> int:
        """Units rounded up to whole vectors."""
        return -(-units // self.lanes) * self.lanes
