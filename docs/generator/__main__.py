"""`python -m docs.generator`: writes the pages; `--check` says which differ, and writes none."""

import sys
from pathlib import Path

from docs.generator import pages

DOCS = Path(__file__).parents[1]


def main() -> int:
    differing = [
        name
        for name, text in pages.all_pages().items()
        if not (DOCS / name).exists() or (DOCS / name).read_text(encoding="utf-8") != text
    ]
    if "--check" in sys.argv[1:]:
        for name in differing:
            print(f"docs/{name} is not what the code says; run: scripts/docs", file=sys.stderr)
        return 1 if differing else 0
    for name in differing:
        (DOCS / name).write_text(pages.all_pages()[name], encoding="utf-8")
        print(f"docs/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
