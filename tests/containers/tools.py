"""The commands that the scripts call, with their arguments kept: nothing secret is in them."""

import os
import shutil
from pathlib import Path

# Imitates docker's and podman's clients without what they are clients of.
_ABSENT = "#!/bin/sh\necho 'Cannot connect to the daemon' >&2\nexit 1\n"

_RECORDED = """\
#!/bin/sh
printf '%s\\n' "{name} $*" >>{log}
exec {program} "$@"
"""


class Tools:
    """A directory to be the first on PATH: engines but buildah do not answer, and what buildah and
    AWS's client are told is kept."""

    def __init__(self, directory: Path, path: str) -> None:
        self._log = directory / "calls"
        bin_dir = directory / "bin"
        bin_dir.mkdir(exist_ok=True)
        self.path = f"{bin_dir}{os.pathsep}{path}"
        for name in ("docker", "podman"):
            (bin_dir / name).write_text(_ABSENT)
        for name in ("aws", "buildah"):
            program = shutil.which(name, path=path)
            if program is not None:
                text = _RECORDED.format(name=name, log=self._log, program=program)
                (bin_dir / name).write_text(text)
        for each in bin_dir.iterdir():
            each.chmod(0o755)

    def calls(self) -> list[str]:
        """The command lines so far."""
        return self._log.read_text().splitlines() if self._log.exists() else []
