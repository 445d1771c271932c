"""The text of kernels: LLVM IR for the parts of a plan, and for the loops over time around them."""
