"""Write a recurrent cell once, as its equations. Get everything else."""

from gatewise import cells, equations

__all__ = ["cells", "equations"]
__version__ = "0.1.0"
