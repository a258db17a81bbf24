"""Re-hash what DVC takes on trust, and remove what is damaged, so that the next pull, push or repro brings it anew.

DVC hashes an object when it adds it; from then on a read-only file in the cache is right by definition, and so is a
file in the work tree whose size and time have not changed. A flipped bit or a half-written upload thus stays unseen.
Without options the cache and data/ are read; with --remote every object on the remote, which downloads all of it.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc_data.hashfile.hash import file_md5
from dvc_data.hashfile.transfer import find_tree_by_obj_id
from dvc_data.hashfile.tree import Tree

from spanline.common import console
from spanline.common.errors import SpanlineError

OBJECT = re.compile(r"[0-9a-f]{32}(\.dir)?")  # other names are files that a killed transfer left: never read by DVC


def damaged_objects(odb: Any) -> Iterator[str]:
    """Objects of a cache or remote whose bytes are not what their name says."""
    for oid in sorted(odb.all()):
        if OBJECT.fullmatch(oid) and file_md5(odb.oid_to_path(oid), odb.fs) != oid.removesuffix(".dir"):
            yield oid


def listings_of_absent(odb: Any) -> Iterator[str]:
    """Folder listings that name a file which is not there: push takes a folder for whole when it finds its listing."""
    there = set(odb.all())
    for oid in sorted(oid for oid in there if oid.endswith(".dir")):
        if any(entry.value not in there for _, _, entry in Tree.load(odb, odb.get(oid).hash_info)):
            yield oid


def damaged_files(repo: Any) -> Iterator[Path]:
    """Files of the work tree that DVC takes for unchanged although their bytes are not those that dvc.lock names."""
    for out in repo.index.outs:
        if not (out.use_cache and out.exists and out.hash_info) or "modified" in (out.status() or {}).values():
            continue
        files = {Path(out.fs_path): out.hash_info.value}
        if out.hash_info.isdir:
            tree = find_tree_by_obj_id([repo.cache.local], out.hash_info) or ()
            files = {Path(out.fs_path, *key): entry.value for key, _, entry in tree}
        for path, oid in files.items():
            if path.is_file() and file_md5(str(path), out.fs) != oid:
                yield path


def clean_here(repo: Any) -> list[str]:
    """Remove damaged files of the work tree and objects of the cache; a line each."""
    files = list(damaged_files(repo))  # before the cache: what a listing says is read from there
    objects = list(damaged_objects(repo.cache.local))
    for path in files:
        path.unlink()
    for oid in objects:
        repo.cache.local.delete(oid)
    lines = [f"{path.relative_to(repo.root_dir)}: damaged, removed" for path in files]
    return lines + [f"cache: {oid} damaged, removed" for oid in objects]


def clean_remote(remote: Any) -> list[str]:
    """Remove damaged objects of the remote, then listings of folders that are not whole; a line each."""
    lines = []
    for found, what in ((damaged_objects, "damaged"), (listings_of_absent, "lists files that are not there")):
        for oid in list(found(remote)):
            remote.delete(oid)
            lines.append(f"remote: {oid} {what}, removed")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--remote", action="store_true", help="read the default remote instead, all of it")
    args = parser.parse_args()
    try:
        with Repo() as repo:
            lines = clean_remote(repo.cloud.get_remote_odb()) if args.remote else clean_here(repo)
    except DvcException as error:
        raise SpanlineError("dvc", str(error), "fix that and verify again") from None
    except Exception as error:  # each kind of remote has its own exceptions
        if not args.remote:
            raise
        raise SpanlineError("remote", f"cannot be read: {error}", "fix its access and try again") from None
    for line in lines:
        console.say(line)
    if lines:
        here, there = (
            "dvc pull, or dvc repro for what nobody pushed",
            "make push, in a clone that has the data",
        )
        console.say(f"error: {len(lines)} removed; to get them back: {there if args.remote else here}")
        sys.exit(1)
    console.say(f"every object of {'the remote' if args.remote else 'the cache'} has the bytes that its name says")


if __name__ == "__main__":
    console.run(main)
