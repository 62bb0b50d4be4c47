"""``python -m tinynet`` is the command line."""

from tinynet.cli import main

if __name__ == "__main__":
    main()
