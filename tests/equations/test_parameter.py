"""Weights and the shapes in which they are stored."""

from __future__ import annotations

import pytest

from gatewise.equations import EquationError, U, W, block_diagonal, cell, tanh
from gatewise.equations.parameter import stored_columns, stored_shape


class TestBlocks:
    def heads(self, blocks=2, **sizes):
        @cell(**sizes)
        def heads(x, h, *, count=2):
            h = tanh(W.h @ x + block_diagonal(U.h, count) @ h)
            return dict(h=h)

        return heads.with_constants(count=blocks)

    def test_columns_are_stored_divided(self):
        parameter = self.heads(4).parameters["U.h"]
        assert (parameter.shape, parameter.blocks) == (("H", "H"), 4)
        assert stored_shape(parameter, {"I": 3, "H": 8}) == (8, 2)
        assert self.heads(4).parameter_count(3, 8) == 8 * 3 + 8 * 2
        assert self.heads(1).parameters["U.h"].blocks == 1

    def test_blocks_divide_rows_and_columns(self):
        with pytest.raises(EquationError, match=r"U\.h has 6 rows, which 4 blocks do not divide"):
            stored_shape(self.heads(4).parameters["U.h"], {"I": 3, "H": 6})
        with pytest.raises(EquationError, match="7 columns"):
            stored_columns(7, 2, "U.h")

        @cell
        def wide(x, h):
            return dict(h=tanh(block_diagonal(W.h, 2) @ x + h))

        with pytest.raises(EquationError, match=r"W\.h has 3 rows"):
            stored_shape(wide.parameters["W.h"], {"I": 4, "H": 3})

    @pytest.mark.parametrize("other", [lambda: block_diagonal(U.h, 4), lambda: U.h, lambda: U.h.T])
    def test_one_matrix_has_the_same_blocks_everywhere(self, other):
        with pytest.raises(EquationError, match=r"U\.h has 2 blocks in one place"):

            @cell
            def two(x, h):
                return dict(h=tanh(W.h @ x + block_diagonal(U.h, 2) @ h + other() @ h))
