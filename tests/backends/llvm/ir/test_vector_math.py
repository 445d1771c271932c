"""Functions on vectors against longer arithmetic, over every exponent, for several processors."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from gatewise.backends.llvm.compiler import compile_text
from gatewise.backends.llvm.element import Element
from gatewise.backends.llvm.ir import vector_math
from gatewise.backends.llvm.ir.code import Code
from gatewise.backends.llvm.target import Target, target_of
from tests.backends.llvm.processors import runs_here

ELEMENTS = {np.float32: ("float", 4), np.float64: ("double", 8)}
PROCESSORS = ("", "x86-64-v2", "x86-64-v3")

TRUTH = {
    "exp": np.exp,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "log": np.log,
    "softplus": lambda x: np.logaddexp(np.zeros_like(x), x),
    "sqrt": np.sqrt,
}
ULP = {"exp": 2, "sigmoid": 4, "tanh": 4, "log": 3, "softplus": 4, "sqrt": 0.5}
"""What each function's documentation promises, in units in the last place of the result."""

CIRCULAR = {"sin": np.sin, "cos": np.cos}
REACH = {np.float32: 1e5, np.float64: 1e9}
"""How far from zero sine and cosine keep their promise: 4 ulp of 1."""


@pytest.fixture(params=PROCESSORS, ids=lambda cpu: cpu or "host")
def target(request) -> Target:
    if request.param and not runs_here(request.param):
        pytest.skip(f"this processor cannot run {request.param}")
    return target_of(request.param)


def evaluate(function: str, x: np.ndarray, target: Target) -> np.ndarray:
    """A function of vectors applied to an array whose length is whole vectors."""
    name, size = ELEMENTS[x.dtype.type]
    element = Element(name, size, target.lanes(size))
    code = Code(element, {})
    with code.loop(0, "%n", element.lanes) as i:
        value = code.load(code.address("%x", i))
        made = getattr(vector_math, function, None)
        value = made(code, value) if made else code.unary(function, value)
        code.store(value, code.address("%y", i))
    body = code.function("apply", ["ptr %x", "ptr %y", "i64 %n"], linkage="")
    text = "\n".join([*code.intrinsics.values(), body, "attributes #0 = { nounwind }"])
    compiled = compile_text(text, target)
    y = np.empty_like(x)
    assert len(x) % element.lanes == 0
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    call(compiled.address("apply"))(x.ctypes.data, y.ctypes.data, len(x))
    return y


def every_exponent(mantissas: int = 512) -> np.ndarray:
    """Normal float32 numbers of both signs: as many of every exponent, the edges among them."""
    generator = np.random.default_rng(0)
    exponents = np.arange(1, 255, dtype=np.uint32)[:, None] << 23
    some = generator.integers(0, 1 << 23, (1, mantissas), dtype=np.uint32)
    some[0, :2] = 0, (1 << 23) - 1
    positive = (exponents | some).ravel().view(np.float32)
    return np.concatenate([positive, -positive])


def many(dtype: type) -> np.ndarray:
    """Numbers that show every branch: all exponents, and densely where functions change."""
    edges = {np.float32: 110, np.float64: 760}[dtype]
    dense = np.linspace(-edges, edges, 1 << 16)
    near_one = 1 + np.linspace(-0.5, 1, 1 << 14)
    if dtype is np.float32:
        spread = every_exponent()
    else:
        generator = np.random.default_rng(0)
        spread = generator.uniform(-1, 1, 1 << 16) * 2.0 ** generator.integers(-300, 300, 1 << 16)
    return np.concatenate([spread, dense, near_one]).astype(dtype)


def true_values(truth, x: np.ndarray) -> np.ndarray:
    """What the function should be, in arithmetic that is longer by 11 bits at least."""
    longer = np.float64 if x.dtype == np.float32 else np.longdouble
    with np.errstate(all="ignore"):
        return truth(x.astype(longer))


def ulps(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """The error in units in the last place of what is expected, all of it normal numbers."""
    exponent = np.frexp(np.abs(expected))[1] - 1
    spacing = np.ldexp(expected.dtype.type(np.finfo(found.dtype).eps), exponent)
    return np.abs(found - expected) / spacing


@pytest.mark.parametrize("dtype", ELEMENTS, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("function", TRUTH)
def test_error_is_what_the_documentation_says(function, dtype, target):
    if dtype is np.float64 and np.finfo(np.longdouble).nmant <= 52:
        pytest.skip("this system has no arithmetic longer than float64")
    x = many(dtype)
    expected = true_values(TRUTH[function], x)
    limits = np.finfo(dtype)
    normal = (np.abs(expected) >= limits.tiny) & (np.abs(expected) <= limits.max)
    assert normal.sum() > len(x) / 4
    error = ulps(evaluate(function, x, target)[normal], expected[normal])
    worst = np.argmax(error)
    assert error[worst] <= ULP[function], x[normal][worst]


@pytest.mark.parametrize("dtype", ELEMENTS, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("function", TRUTH)
def test_results_beyond_the_range_become_zero_or_infinite(function, dtype, target):
    x = many(dtype)
    tiny, largest = np.finfo(dtype).tiny, np.finfo(dtype).max
    expected, found = true_values(TRUTH[function], x), evaluate(function, x, target)
    small = np.abs(expected) < tiny
    # a denormal result may be flushed to zero: it is off by less than the smallest normal number
    assert np.all(np.abs(found[small] - expected[small]) <= tiny)
    infinite = np.isinf(expected) | (np.abs(expected) > largest)
    assert np.array_equal(found[infinite], np.copysign(np.inf, expected[infinite]))
    assert np.array_equal(np.isnan(found), np.isnan(expected))


@pytest.mark.parametrize("dtype", ELEMENTS, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize(
    ("function", "at_minus_infinity", "at_zero", "at_infinity"),
    [
        ("exp", 0, 1, np.inf),
        ("sigmoid", 0, 0.5, 1),
        ("tanh", -1, 0, 1),
        ("log", np.nan, -np.inf, np.inf),
        ("softplus", 0, np.log(2), np.inf),
        ("sqrt", np.nan, 0, np.inf),
        ("sin", np.nan, 0, np.nan),
        ("cos", np.nan, 1, np.nan),
    ],
)
def test_special_numbers(function, at_minus_infinity, at_zero, at_infinity, dtype, target):
    x = np.array([-np.inf, -0.0, 0.0, np.inf, np.nan, -np.nan], dtype)
    found = evaluate(function, np.resize(x, 96), target)[:6]
    expected = np.array([at_minus_infinity, at_zero, at_zero, at_infinity, np.nan, np.nan], dtype)
    tiny = np.finfo(dtype).tiny  # kernels flush denormals; this call does not
    np.testing.assert_allclose(found, expected, rtol=4 * np.finfo(dtype).eps, atol=tiny)


@pytest.mark.parametrize("dtype", ELEMENTS, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("function", CIRCULAR)
def test_sine_and_cosine_are_within_four_ulp_of_one(function, dtype, target):
    if dtype is np.float64 and np.finfo(np.longdouble).nmant <= 52:
        pytest.skip("this system has no arithmetic longer than float64")
    reach = REACH[dtype]
    x = many(dtype)
    x = np.concatenate([x[np.abs(x) <= reach], np.linspace(-reach, reach, 1 << 16).astype(dtype)])
    x = x[: len(x) // 16 * 16]
    error = np.abs(evaluate(function, x, target) - true_values(CIRCULAR[function], x))
    worst = np.argmax(error)
    assert error[worst] <= 4 * np.finfo(dtype).eps, x[worst]


@pytest.mark.parametrize("function", ["tanh", "sin"])
def test_odd_functions_keep_the_relative_error_of_small_numbers(function, target):
    x = np.geomspace(1e-37, 1e-3, 1 << 12).astype(np.float32)
    expected = true_values({**TRUTH, **CIRCULAR}[function], x)
    assert np.all(ulps(evaluate(function, x, target), expected) <= 4)


def test_a_vector_knows_its_lanes(target):
    """Different numbers in one vector do not disturb each other: specials beside normal ones."""
    x = np.array([np.nan, 1.5, np.inf, -2.25, -np.inf, 0.0, 90.0, -90.0] * 8, np.float32)
    for function in (*TRUTH, *CIRCULAR):
        mixed = evaluate(function, x, target)
        for k in range(8):
            alone = evaluate(function, np.full(16, x[k]), target)[0]
            assert np.array_equal(mixed[k], alone, equal_nan=True), (function, x[k])
