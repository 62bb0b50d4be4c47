"""``python -m tinynet`` is the command line."""

from tinynet.cli.main import main

if __name__ == "__main__":
    main()
