"""Make the embedded model from nothing: render scenes, train, write the bundle. One command; it resumes where it was.

    python scripts/train_mini.py --out DIR            everything (2 CPU cores: about two hours; 16 GB of disk)
    python scripts/train_mini.py --out DIR --smoke    the same code in a minute, to see that it runs

``DIR/bundle`` is the result; losses are in ``DIR/*.csv``, states to resume from in ``DIR/*.pt``.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stages that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for everything that is made; may exist")
    parser.add_argument("--smoke", action="store_true", help="tiny amounts of everything")
    parser.add_argument("--only", help="stages, separated by commas (default: all, in order)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (default: all)")
    options = parser.parse_args(arguments)
    import torch

    from scripts.mini.recipes import FULL, SMOKE
    from scripts.mini.stages import STAGES, run

    names = options.only.split(",") if options.only else list(STAGES)
    if unknown := set(names) - set(STAGES):
        parser.error(f"no stage {', '.join(sorted(unknown))}; stages are {', '.join(STAGES)}")
    torch.set_num_threads(options.threads)
    try:
        run(SMOKE if options.smoke else FULL, options.out, names)
    except FileNotFoundError as error:
        # A stage looked for what one before it makes.
        print(f"{error} (stages in their order: {', '.join(STAGES)})", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
