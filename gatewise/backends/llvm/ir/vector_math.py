"""Functions on vectors, written with a few basic instructions.

Each states its error, in units in the last place (ulp), for results that are normal numbers. NaN
passes through all of them. Polynomials are Taylor's series, cut or economized where the error is
a tenth of an ulp.
"""

from __future__ import annotations

import math
import struct
from fractions import Fraction
from functools import lru_cache

import numpy as np

from gatewise.backends.llvm.ir.code import Code
from gatewise.backends.noise import MULTIPLIERS, RESOLUTION, SHIFTS

LN2 = Fraction("0.693147180559945309417232121458176568075500134360255254120680009")
HALF_PI = Fraction("1.570796326794896619231321691639751442098584699687552910487472296")


def exp(code: Code, x: str) -> str:
    """e^x within 2 ulp; 0 and ∞ where it leaves the range of normal numbers."""
    low, high = (-88.0, 89.0) if code.element.bytes == 4 else (-709.0, 710.0)
    n, r, _ = _reduced(code, _clamped(code, x, low, high))
    p = _exp_minus_one(code, r)
    return _scaled(code, code.arithmetic("fadd", p, code.element.splat(1.0)), n, x)


def sigmoid(code: Code, x: str) -> str:
    """1 / (1 + e^−x) within 4 ulp."""
    e = code.element
    limit = 88.0 if e.bytes == 4 else 709.0  # e^limit is finite, and the result almost denormal
    minus = code.value(f"fneg {e.vector} {_clamped(code, x, -limit, limit - 1)}")
    _, r, scale = _reduced(code, minus)
    one = e.splat(1.0)
    power = code.fma(_exp_minus_one(code, r), scale, scale)
    return _quotient(code, None, code.arithmetic("fadd", power, one))


def tanh(code: Code, x: str) -> str:
    """E / (E + 2) with E = e^2x − 1, which keeps small x exact; within 4 ulp."""
    e = code.element
    limit = 10.0 if e.bytes == 4 else 20.0
    x = _clamped(code, x, -limit, limit)
    _, r, scale = _reduced(code, code.arithmetic("fadd", x, x))
    grown = code.arithmetic("fsub", scale, e.splat(1.0))
    grown = code.fma(_exp_minus_one(code, r), scale, grown)
    return _quotient(code, grown, code.arithmetic("fadd", grown, e.splat(2.0)))


def log(code: Code, x: str) -> str:
    """The natural logarithm within 3 ulp; −∞ at 0, NaN below, and for denormals as for 0."""
    e = code.element
    bits, bias = 8 * e.bytes, 127 if e.bytes == 4 else 1023
    mantissa = 23 if e.bytes == 4 else 52
    raw = code.value(f"bitcast {e.vector} {x} to {e.integer}")
    # take the exponent so that the rest lies in [√½, √2)
    root = math.sqrt(0.5)
    offset = _bits(root, e.bytes)
    shifted = code.value(f"sub {e.integer} {raw}, {e.splat_integer(offset)}")
    exponent = code.value(f"ashr {e.integer} {shifted}, {e.splat_integer(mantissa)}")
    moved = code.value(f"shl {e.integer} {exponent}, {e.splat_integer(mantissa)}")
    rest = code.value(f"sub {e.integer} {raw}, {moved}")
    m = code.value(f"bitcast {e.integer} {rest} to {e.vector}")
    k = code.value(f"sitofp {e.integer} {exponent} to {e.vector}")
    f = code.arithmetic("fsub", m, e.splat(1.0))
    # log m = 2 artanh(s), s = f / (2 + f), |s| < 0.172
    s = code.arithmetic("fdiv", f, code.arithmetic("fadd", f, e.splat(2.0)))
    s2 = code.arithmetic("fmul", s, s)
    terms = 6 if e.bytes == 4 else 13
    tail = _horner(code, s2, [2.0 / (2 * j + 1) for j in range(1, terms)])
    series = code.arithmetic("fmul", code.arithmetic("fmul", s, s2), tail)
    high, low = _split(LN2, 12 if e.bytes == 4 else 32, e.bytes)
    result = code.fma(k, e.splat(low), series)
    result = code.arithmetic("fadd", result, code.arithmetic("fadd", s, s))
    result = code.fma(k, e.splat(high), result)
    normal = e.splat(2.0 ** (1 - bias))
    small = code.compare("olt", x, normal)
    result = code.select(small, e.splat(-math.inf), result)
    result = code.select(code.compare("olt", x, e.splat(0.0)), e.splat(math.nan), result)
    huge = code.compare("ueq", x, e.splat(math.inf))  # ∞, and NaN
    assert bits in (32, 64)
    return code.select(huge, x, result)


def softplus(code: Code, x: str) -> str:
    """max(x, 0) + log(1 + e^−|x|) within 4 ulp."""
    e = code.element
    minus = code.value(f"fneg {e.vector} {code.unary('fabs', x)}")
    u = exp(code, minus)
    one = e.splat(1.0)
    w = code.arithmetic("fadd", u, one)
    # what rounding 1 + u lost comes back as (u − (w − 1)) / w
    lost = code.value(f"fsub {e.vector} {u}, {code.value(f'fsub {e.vector} {w}, {one}')}")
    tail = code.arithmetic("fadd", log(code, w), code.arithmetic("fdiv", lost, w))
    positive = code.compare("ogt", x, e.splat(0.0))
    base = code.select(positive, x, e.splat(0.0))
    total = code.arithmetic("fadd", base, tail)
    return code.select(code.compare("uno", x, x), x, total)


def sin(code: Code, x: str) -> str:
    """The sine within 4 ulp of 1 for |x| up to 10⁵ (float32) or 10⁹ (float64)."""
    return _circular(code, x, 0)


def cos(code: Code, x: str) -> str:
    """The cosine, as accurate as the sine."""
    return _circular(code, x, 1)


def noise(code: Code, seed: str, step: str) -> str:
    """Random numbers made of the bits of two others; see `backends.noise`."""
    whole = f"<{code.element.lanes} x i32>"

    def splat(number: int) -> str:
        return f"<{', '.join([f'i32 {number}'] * code.element.lanes)}>"

    def mixed(bits: str, shift: int) -> str:
        moved = code.value(f"lshr {whole} {bits}, {splat(shift)}")
        return code.value(f"xor {whole} {bits}, {moved}")

    spread = code.value(f"mul {whole} {_single_bits(code, step)}, {splat(MULTIPLIERS[0])}")
    bits = code.value(f"xor {whole} {_single_bits(code, seed)}, {spread}")
    for shift, multiplier in zip(SHIFTS, MULTIPLIERS[1:], strict=False):
        bits = code.value(f"mul {whole} {mixed(bits, shift)}, {splat(multiplier)}")
    bits = code.value(f"lshr {whole} {mixed(bits, SHIFTS[-1])}, {splat(32 - RESOLUTION)}")
    number = code.value(f"uitofp {whole} {bits} to {code.element.vector}")
    return code.arithmetic("fmul", number, code.element.splat(2.0**-RESOLUTION))


def _single_bits(code: Code, x: str) -> str:
    """The bits of numbers in float32."""
    e = code.element
    single = f"<{e.lanes} x float>"
    if e.bytes != 4:
        x = code.value(f"fptrunc {e.vector} {x} to {single}")
    return code.value(f"bitcast {single} {x} to <{e.lanes} x i32>")


def _quotient(code: Code, a: str | None, d: str) -> str:
    """A / d, or 1 / d; for AVX-512 in float32 by a reciprocal, within 1.5 ulp.

    A division of 16 numbers takes as long as all else in a sigmoid. `d` is a finite number.
    """
    e = code.element
    one = e.splat(1.0)
    if (e.bytes, e.lanes) != (4, 16):
        return code.arithmetic("fdiv", one if a is None else a, d)
    name = "llvm.x86.avx512.rcp14.ps.512"  # 14 bits; a step of Newton's doubles them
    first = code.call(name, e.vector, (e.vector, d), (e.vector, "zeroinitializer"), ("i16", "-1"))
    error = code.fma(code.value(f"fneg {e.vector} {d}"), first, one)
    inverse = code.fma(first, error, first)
    return inverse if a is None else code.arithmetic("fmul", a, inverse)


def _reduced(code: Code, x: str) -> tuple[str, str, str]:
    """N, r and 2^n with x = n ln 2 + r and |r| ≤ ln 2 / 2."""
    e = code.element
    bias, mantissa = (127, 23) if e.bytes == 4 else (1023, 52)
    # adding 1.5 · 2^mantissa rounds to a whole number and leaves it in the low bits
    magic = e.splat(1.5 * 2.0**mantissa)
    raw = code.fma(x, e.splat(float(1 / LN2)), magic)
    n = code.value(f"fsub {e.vector} {raw}, {magic}")
    high, low = _split(LN2, 12 if e.bytes == 4 else 32, e.bytes)
    r = code.fma(n, e.splat(-high), x)
    bits = code.value(f"bitcast {e.vector} {raw} to {e.integer}")
    bits = code.value(f"add {e.integer} {bits}, {e.splat_integer(bias)}")
    bits = code.value(f"shl {e.integer} {bits}, {e.splat_integer(mantissa)}")
    return n, code.fma(n, e.splat(-low), r), code.value(f"bitcast {e.integer} {bits} to {e.vector}")


def _exp_minus_one(code: Code, r: str) -> str:
    """e^r − 1 for |r| ≤ ln 2 / 2, with small relative error down to r = 0."""
    # (e^r − 1 − r) / r² = Σ r^j / (j + 2)!
    series = [1.0 / math.factorial(j + 2) for j in range(20)]
    tail = _horner(
        code, r, _economized(series, float(LN2) / 2, 5 if code.element.bytes == 4 else 12)
    )
    return code.fma(code.arithmetic("fmul", r, r), tail, r)


@lru_cache(maxsize=64)
def _interpolated(series: tuple[float, ...], bound: float, terms: int) -> list[float]:
    nodes = [bound * math.cos(math.pi * (k + 0.5) / terms) for k in range(terms)]
    values = [math.fsum(c * x**j for j, c in enumerate(series)) for x in nodes]
    return [float(c) for c in np.linalg.solve(np.vander(nodes, increasing=True), values)]


def _economized(series: list[float], bound: float, terms: int) -> list[float]:
    """A polynomial of few terms through a series' values at Chebyshev's points of ±bound.

    Its largest error is near the smallest that so many terms allow.
    """
    return _interpolated(tuple(series), bound, terms)


def _scaled(code: Code, p: str, n: str, x: str) -> str:
    """P · 2^n, with 0 and ∞ beyond the range of normal numbers."""
    e = code.element
    # two factors: 2^128 alone is no float32, but the product may still be one
    half = code.unary("floor", code.arithmetic("fmul", n, e.splat(0.5)))
    rest = code.arithmetic("fsub", n, half)
    result = code.arithmetic("fmul", p, _power_of_two(code, half))
    result = code.arithmetic("fmul", result, _power_of_two(code, rest))
    least, most = (-87.33654, 88.72284) if e.bytes == 4 else (-708.3964185, 709.782712893384)
    result = code.select(code.compare("ogt", x, e.splat(most)), e.splat(math.inf), result)
    return code.select(code.compare("olt", x, e.splat(least)), e.splat(0.0), result)


def _power_of_two(code: Code, n: str) -> str:
    """2^n for a vector of whole numbers."""
    e = code.element
    bias, mantissa = (127, 23) if e.bytes == 4 else (1023, 52)
    # adding 1.5 · 2^mantissa leaves the whole number in the low bits
    magic = 1.5 * 2.0**mantissa
    raw = code.value(f"fadd {e.vector} {n}, {e.splat(magic)}")
    raw = code.value(f"bitcast {e.vector} {raw} to {e.integer}")
    raw = code.value(f"add {e.integer} {raw}, {e.splat_integer(bias)}")
    raw = code.value(f"shl {e.integer} {raw}, {e.splat_integer(mantissa)}")
    return code.value(f"bitcast {e.integer} {raw} to {e.vector}")


def _clamped(code: Code, x: str, low: float, high: float) -> str:
    """X between two bounds; NaN stays NaN, since no comparison with it holds.

    In this order of operands a comparison and its selection are one instruction.
    """
    e = code.element
    x = code.select(code.compare("olt", e.splat(high), x), e.splat(high), x)
    return code.select(code.compare("ogt", e.splat(low), x), e.splat(low), x)


def _horner(code: Code, x: str, coefficients: list[float]) -> str:
    """The polynomial with these coefficients, lowest first."""
    value = code.element.splat(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value = code.fma(value, x, code.element.splat(coefficient))
    return value


def _circular(code: Code, x: str, quarter: int) -> str:
    """sin(x + quarter · π/2): reduce by quarter turns, then one of two series."""
    e = code.element
    n = code.unary("rint", code.arithmetic("fmul", x, e.splat(float(1 / HALF_PI))))
    rest, r = HALF_PI, x
    for bits in (8, 8, 8, None) if e.bytes == 4 else (22, 22, 22, None):
        part = _leading(rest, bits, e.bytes) if bits else float(rest)
        rest -= Fraction(part)
        r = code.fma(n, e.splat(-part), r)
    r2 = code.arithmetic("fmul", r, r)
    terms = 6 if e.bytes == 4 else 10
    odd = [(-1) ** j / math.factorial(2 * j + 1) for j in range(terms)]
    even = [(-1) ** j / math.factorial(2 * j) for j in range(terms + 1)]
    sine = code.arithmetic("fmul", r, _horner(code, r2, odd))
    cosine = _horner(code, r2, even)
    turn = code.value(f"fptosi {e.vector} {n} to {e.integer}")
    turn = code.value(f"add {e.integer} {turn}, {e.splat_integer(quarter)}")
    one = e.splat_integer(1)
    swapped = code.value(f"and {e.integer} {turn}, {one}")
    swapped = code.value(f"icmp eq {e.integer} {swapped}, {one}")
    value = code.select(swapped, cosine, sine)
    two = e.splat_integer(2)
    negative = code.value(f"and {e.integer} {turn}, {two}")
    negative = code.value(f"icmp eq {e.integer} {negative}, {two}")
    return code.select(negative, code.value(f"fneg {e.vector} {value}"), value)


def _leading(value: Fraction, bits: int, size: int) -> float:
    """The leading bits of a number: products with small whole numbers are then exact."""
    exponent = math.frexp(float(value))[1]
    return float(Fraction(math.floor(value * 2 ** (bits - exponent)), 1) / 2 ** (bits - exponent))


def _split(value: Fraction, bits: int, size: int) -> tuple[float, float]:
    high = _leading(value, bits, size)
    return high, float(value - Fraction(high))


def _bits(value: float, size: int) -> int:
    return struct.unpack(
        "<i" if size == 4 else "<q", struct.pack("<f" if size == 4 else "<d", value)
    )[0]
