"""``python -m attnviz``: the same as the command ``attnviz``."""

from attnviz.cli import main

if __name__ == "__main__":
    main()
