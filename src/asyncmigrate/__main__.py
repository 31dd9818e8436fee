"""`python -m asyncmigrate`."""

from asyncmigrate._cli.main import main

if __name__ == "__main__":
    main()
