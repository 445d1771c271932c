"""`python -m gatewise`: the command line, for torchrun and for where no script is on the path."""

from gatewise.cli import main

if __name__ == "__main__":
    main()
