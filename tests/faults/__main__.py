"""The long fault campaign, in parts that can be played one by one."""

import hashlib
import json
import multiprocessing
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import click

from tests.faults import platter
from tests.faults.parts import Part, Share, moments_of, parts, played

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "faults.json"

_STOOD_ON = ("requirements.txt", "requirements-postgresql.txt")

# What was played of this very code so far.
UNFINISHED = RESULTS.with_suffix(".unfinished.json")

MOMENTS = 500
FULL = Share(moments=moments_of(MOMENTS))


class Notebook:
    """The counts of parts that were played in full, kept from one run to the next."""

    def __init__(self) -> None:
        self._code = _code()
        self.counts: dict[str, Any] = {}
        if UNFINISHED.exists():
            before = json.loads(UNFINISHED.read_text())
            if before["code"] == self._code:
                self.counts = before["parts"]

    def missing(self, wanted: Sequence[Part]) -> list[Part]:
        """Those that were not played, or went wrong."""
        return [p for p in wanted if self.counts.get(p.name, {"wrong": True})["wrong"]]

    def add(self, name: str, counts: Mapping[str, Any]) -> None:
        self.counts[name] = counts
        UNFINISHED.parent.mkdir(exist_ok=True)
        UNFINISHED.write_text(json.dumps({"code": self._code, "parts": self.counts}, indent=2))

    def finish(self) -> bool:
        """Writes the results if every part was played, and nothing went wrong."""
        if self.missing(parts()):
            return False
        results = [_short(self.counts[part.name]) for part in parts()]
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")
        UNFINISHED.unlink()
        return True


def _code() -> str:
    """What names the code that is played as it is here: the package, what it stands on, and all of
    the tests' modules that play it. Documentation and other tests change no count."""
    files = [module.__file__ for name, module in sys.modules.items() if name.startswith("tests.")]
    playing = {each for each in files if each is not None} - {__file__}
    changed = _git("stash", "create").strip()
    listing = _git("ls-tree", "-r", changed or "HEAD", "scheduler", *_STOOD_ON, *playing)
    return hashlib.sha256(listing.encode()).hexdigest()


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def _short(counts: Mapping[str, Any]) -> dict[str, Any]:
    """The names of crash points are counted."""
    names = counts.get("names of them")
    return {**counts, **({"names of them": len(names)} if names is not None else {})}


def line(counts: Mapping[str, Any]) -> str:
    what = [f"{counts['cases']} cases", f"{len(counts['wrong'])} wrong"]
    if counts.get("crash points"):
        what.insert(0, f"{counts['crash points']} crash points")
    if counts["killed"]:
        what.insert(-1, f"{counts['killed']} killed")
    return f"{', '.join(what)}; {counts['seconds']:g} s"


def coverage(found: Sequence[Mapping[str, Any]]) -> str:
    """What of the crash points was hit, over all parts that kill at each."""
    aimed = [counts for counts in found if "at every point" in counts["harm"]]
    names = {name for counts in aimed for name in counts["names of them"]}
    points = sum(counts["crash points"] for counts in aimed)
    killed = sum(counts["killed"] for counts in aimed)
    return f"{points} crash points with {len(names)} names, killed at {killed}"


def _result(part: Part, future: "Future[dict[str, Any]]") -> dict[str, Any]:
    """A part's counts; one that broke off is wrong, and keeps no other from being played."""
    try:
        return future.result()
    except Exception as error:
        nothing = {"crash points": 0, "names of them": [], "cases": 0, "killed": 0, "seconds": 0.0}
        return {**asdict(part), **nothing, "wrong": [f"it broke off: {error!r}"]}


@click.command()
@click.option(
    "--only", metavar="PATTERN", default="*", help="Only parts like this, such as '*geth*'."
)
@click.option("--list", "lists", is_flag=True, help="List the parts, and which are missing.")
@click.option("--again", is_flag=True, help="Play parts that were played before, too.")
@click.option("--jobs", default=2, show_default=True, help="Parts at a time.")
@click.option("--every", default=1, show_default=True, help="Only every so many-th case.")
@click.option("--moments", default=FULL.moments, show_default=True, help="Random kills of a part.")
@click.option(
    "--intents", default=FULL.intents, show_default=True, help="Of each of several programs."
)
def main(
    only: str, lists: bool, again: bool, jobs: int, every: int, moments: int, intents: int
) -> None:
    """Play the campaign's parts and print their counts.

    What was played in full is kept: another run goes on with what is missing. When nothing is,
    benchmarks/results/faults.json is written.
    """
    notebook, share = Notebook(), Share(every, moments, intents)
    wanted = [part for part in parts() if fnmatch(part.name, only)]
    if not wanted:
        raise click.UsageError(f"no part is like {only}; see --list")
    missing = wanted if again or share != FULL else notebook.missing(wanted)
    if lists:
        for part in wanted:
            click.echo(f"{'missing' if part in missing else 'played ':7} {part.name}")
        return
    if platter.compiler() is None and any("power cut" in part.harm for part in missing):
        raise click.ClickException("power cuts need a C compiler: apt-get install gcc libc6-dev")
    found = []
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn) as pool:
        playing = {pool.submit(played, part, share): part for part in missing}
        for future in as_completed(playing):
            name, counts = playing[future].name, _result(playing[future], future)
            found.append(counts)
            click.echo(f"{name}: {line(counts)}")
            for what in counts["wrong"]:
                click.echo(f"  {what}")
            if share == FULL:
                notebook.add(name, counts)
    click.echo(coverage(found))
    cases, wrong = (
        sum(counts["cases"] for counts in found),
        sum(len(counts["wrong"]) for counts in found),
    )
    click.echo(f"{cases} cases, {wrong} wrong")
    if share == FULL and notebook.finish():
        click.echo(f"written: {RESULTS.relative_to(ROOT)}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
