"""`python -m proof`: runs the rows, each in its own folder, keeps what is finished, and writes docs/proof.*."""

from proof.runner import main

if __name__ == "__main__":
    main()
