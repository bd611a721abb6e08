"""`python -m scheduler.devchain` is `scheduler dev`."""

from scheduler.devchain.commands import dev

dev(prog_name="scheduler dev")
