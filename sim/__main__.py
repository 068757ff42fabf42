"""`python -m sim`."""

from sim.cli import main

main(prog_name="substream")
