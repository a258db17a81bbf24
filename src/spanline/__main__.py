"""`python -m spanline`: the command line."""

from spanline.cli.main import command

if __name__ == "__main__":
    command()
