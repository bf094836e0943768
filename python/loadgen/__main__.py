"""`python -m loadgen`: the command line, for where the script is not on the path."""

from loadgen.cli import main

if __name__ == "__main__":
    main()
