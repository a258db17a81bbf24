"""For CI: is dvc.lock what the code, params and data of this commit say, and is all that it names on the remote?

Runs no stage and downloads no data; of the remote it reads which objects there are and the listings of folders, a few
kB each. Exit 0 and one line when all is well, else a line a problem and exit 1. Nothing needs to be pulled before.

DVC's own commands leave gaps where the data are absent: `dvc repro --dry --allow-missing` says nothing of a deleted
metric and stops at the first stage that would run, and `dvc status --cloud` takes the files of a folder for present
when the folder's listing is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from dvc.config import NoRemoteError
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc_data.hashfile.transfer import find_tree_by_obj_id

from spanline.common import console
from spanline.common.errors import SpanlineError

SHOWN = 3  # names in a line; the rest is counted


@dataclass
class Objects:
    """What dvc.lock says that the stages wrote to the cache."""

    by_path: dict[str, str] = field(default_factory=dict)  # output, or file in an output folder -> hash
    unlisted: set[str] = field(default_factory=set)  # folders whose listing is neither here nor on the remote


def read_objects(repo: Any, remote: Any) -> Objects:
    """Every output and, by its listing, every file inside."""
    found = Objects()
    for out in _cached_outs(repo):
        if not out.hash_info:
            continue
        path = str(out)
        found.by_path[path] = out.hash_info.value
        if out.hash_info.isdir:
            tree = find_tree_by_obj_id([repo.cache.local, remote], out.hash_info)
            if tree is None:
                found.unlisted.add(path)
            else:
                found.by_path |= {"/".join((path, *key)): entry.value for key, _, entry in tree}
    return found


def _cached_outs(repo: Any) -> list[Any]:
    return [out for out in repo.index.outs if out.use_cache]


def outdated(repo: Any) -> Iterator[str]:
    """A line for each stage whose entry does not fit this commit; absent data alone are no reason."""
    pulled_later = {str(out) for out in _cached_outs(repo)}
    locked = {stage.addressing for stage in repo.index.stages if any(out.hash_info for out in stage.outs)}
    for name, entries in repo.status().items():
        if name not in locked:
            yield f"{name}: has no entry in dvc.lock"
            continue
        changed = [line for entry in entries for line in _changes(entry, pulled_later)]
        if changed:
            more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
            yield f"{name}: not what dvc.lock says: {', '.join(changed[:SHOWN])}{more}"


def _changes(entry: Any, pulled_later: set[str]) -> Iterator[str]:
    """Of one entry of `dvc status`: what has changed, without data that are merely not here."""
    if isinstance(entry, str):  # "changed command"
        yield entry.removeprefix("changed ")
        return
    for path, state in (item for paths in entry.values() for item in paths.items()):
        if isinstance(state, dict):
            yield from state  # sections of params.yaml
        elif state == "not in cache" or (state == "deleted" and _is_within(path, pulled_later)):
            continue
        else:
            yield f"{path} ({state})"


def _is_within(path: str, outs: set[str]) -> bool:
    return any(f"{path}/".startswith(f"{out}/") for out in outs)


def inconsistent(repo: Any, objects: Objects) -> Iterator[str]:
    """A line for each input that a stage ran with and that is not what its maker wrote, by dvc.lock alone."""
    for stage in repo.index.stages:
        for dep in stage.deps:
            path = str(dep)
            made = _is_within(path, set(objects.by_path)) and not _is_within(path, objects.unlisted)
            if made and dep.hash_info and dep.hash_info.value != objects.by_path.get(path):
                yield f"{stage.addressing}: dvc.lock says that it ran with another {path} than it names as output"


def missing(remote: Any, objects: Objects) -> Iterator[str]:
    """A line for each object that is not on the remote."""
    there = set(remote.oids_exist(sorted(set(objects.by_path.values()))))
    for path, oid in sorted(objects.by_path.items()):
        if oid not in there:
            yield f"{path}: {oid} is not on the remote"


def problems(repo: Any) -> tuple[list[str], list[str], int]:
    """Lines that `dvc repro` mends, lines that `dvc push` mends, and how many objects were looked for."""
    try:
        remote = repo.cloud.get_remote_odb()
    except NoRemoteError:
        raise SpanlineError(".dvc/config", "names no remote", "set one up: make team REMOTE=URL") from None
    stale = list(outdated(repo))
    try:
        objects = read_objects(repo, remote)
        absent = list(missing(remote, objects))
    except Exception as error:  # each kind of remote has its own exceptions
        raise SpanlineError(
            f"remote {remote.path}", f"cannot be read: {error}", "fix its access and try again"
        ) from None
    return stale + list(inconsistent(repo, objects)), absent, len(set(objects.by_path.values()))


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    try:
        with Repo() as repo:
            stale, absent, count = problems(repo)
    except DvcException as error:
        raise SpanlineError("dvc", str(error), "fix that and check again") from None
    for line in [*stale, *absent]:
        console.say(line)
    if stale:
        console.say("error: dvc.lock is out of date; dvc repro --pull, then commit dvc.lock and metrics")
    if absent:
        console.say("error: the remote is not whole; whoever ran the stages types make push")
    if stale or absent:
        sys.exit(1)
    console.say(f"dvc.lock is up to date and its {count} objects are on the remote")


if __name__ == "__main__":
    console.run(main)
