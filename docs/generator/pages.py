"""The generated pages by name, each from its template beside this file."""

from pathlib import Path

from docs.generator import commands, options, states

HERE = Path(__file__).parent


def all_pages() -> dict[str, str]:
    """What each page has to say now."""
    return {
        "configuration.md": _filled("configuration.md.in", options.sections()),
        "cli.md": _filled("cli.md.in", commands.sections()),
        "understand.md": _filled("understand.md.in", states.sections()),
    }


def _filled(template: str, sections: dict[str, str]) -> str:
    """The template, in which a line {NAME} stands for the section NAME.

    Raises ValueError where a section has no place, or a place no section.
    """
    lines = []
    left = dict(sections)
    for line in (HERE / template).read_text(encoding="utf-8").splitlines():
        name = line[1:-1] if line.startswith("{") and line.endswith("}") else None
        if name is None:
            lines.append(line)
        elif name in left:
            lines.append(left.pop(name).strip("\n"))
        else:
            raise ValueError(f"{template}: there is no section {name}")
    if left:
        raise ValueError(f"{template}: nothing says where these go: {', '.join(left)}")
    note = f"<!-- Made by scripts/docs; what to edit is docs/generator/{template} and the code. -->"
    return "\n".join([note, "", *lines, ""])
