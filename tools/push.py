"""Push what dvc.lock names, the run cache, and what DVC leaves out of it: the metrics that stand in git.

A colleague's `dvc repro --pull` takes a stage from the run cache only when *all* that it wrote can be fetched. DVC
keeps metrics with `cache: false` in its cache for that purpose but does not push them, so without this command nobody
else's train or score would ever be restored: they would run again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo

from spanline.common import console
from spanline.common.errors import SpanlineError


def metrics_in_cache(repo: Any) -> set[Any]:
    """Hashes of the uncached outputs of dvc.lock, as far as this clone's cache has them: it has what it ran."""
    hashes = {out.hash_info for out in repo.index.outs if not out.use_cache and out.hash_info}
    return {found for found in hashes if repo.cache.local.exists(found.value)}


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    pushed = subprocess.run(["dvc", "push", "--run-cache"])
    if pushed.returncode:
        sys.exit(pushed.returncode)  # DVC has said why
    try:
        with Repo() as repo:
            result = repo.cloud.push(metrics_in_cache(repo))
    except DvcException as error:
        raise SpanlineError("dvc", str(error), "fix that and push again") from None
    if result.failed:
        raise SpanlineError("remote", f"{len(result.failed)} metrics could not be pushed", "push again")
    console.say(f"{len(result.transferred)} metrics pushed, for the run cache")


if __name__ == "__main__":
    console.run(main)
