"""`python -m twinstorm.tui`: the command line, for whoever has no console script on the path."""

from twinstorm.tui.cli.entry import main

if __name__ == "__main__":
    main()
