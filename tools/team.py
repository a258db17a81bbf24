"""Set a clone up for a team: the merge drivers, and on request the remote and a DVC cache shared on one machine.

`make team` in every clone; `make team REMOTE=URL` once, by whoever chooses the remote, who then commits .dvc/config
(user and password of the URL go to .dvc/config.local, which git ignores, and are never shown);
`make team CACHE=FOLDER` in every clone on a machine whose users share one DVC cache.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import struct
import subprocess
import sys
import urllib.parse
from pathlib import Path

from spanline.common import console
from spanline.common.errors import SpanlineError, without_secrets

REMOTE = "team"
# git runs a driver in the top folder of the work tree, so tools/ and src/ of the very branch at hand are found.
LOCK_DRIVER = f"PYTHONPATH=src {shlex.quote(sys.executable)} -m tools.merge_lock %O %A %B"
# metrics/ is what dvc.lock's stages wrote: where both sides changed a file, dvc.lock stops the merge and `dvc repro`
# rewrites the file. A merge of lines would be numbers that no run gave, so ours stay as they are until then.
METRICS_DRIVER = "true"
NO_ID = 0xFFFFFFFF
SET_GID = 0o2775  # group may write; what is made inside belongs to the folder's group
# As `setfacl -d -m u::rwx,g::rwx,o::r-x` writes it: version 2, then (tag, permissions, no id) of owner, group, others.
# DVC sets modes for the objects of a shared cache, but not for the run cache.
DEFAULT_ACL = struct.pack("<I" + "HHI" * 3, 2, 0x01, 7, NO_ID, 0x04, 7, NO_ID, 0x20, 5, NO_ID)


def set_merge_drivers() -> None:
    """Tell this clone's git what .gitattributes refers to."""
    for name, driver, description in (
        ("dvc-lock", LOCK_DRIVER, "dvc.lock by stage"),
        ("dvc-metrics", METRICS_DRIVER, "metrics: ours until dvc repro"),
    ):
        _run("git", "config", f"merge.{name}.name", description)
        _run("git", "config", f"merge.{name}.driver", driver)


# scheme -> the names that DVC has for what stands before the @ of a URL: user, and password behind a colon
CREDENTIALS = {
    "https": ("user", "password"),
    "http": ("user", "password"),
    "webdavs": ("user", "password"),
    "webdav": ("user", "password"),
    "ssh": ("user", "password"),
    "s3": ("access_key_id", "secret_access_key"),
}


def set_remote(url: str, group: str | None) -> str:
    """Make `url` the default remote, and give back what was written of it to .dvc/config, which is committed; what is
    pulled from it is checked by its hash. Credentials go to .dvc/config.local, which only its owner can read."""
    public, secrets = parted(url)
    _run("dvc", "remote", "add", "--quiet", "--force", "--default", REMOTE, public)
    _run("dvc", "remote", "modify", REMOTE, "verify", "true")
    for name, value in secrets.items():
        _run("dvc", "remote", "modify", "--local", REMOTE, name, value, hidden=value)
        Path(".dvc/config.local").chmod(0o600)
    if _is_folder(url):
        _make_shared(Path(url), group)
        _run("dvc", "remote", "modify", REMOTE, "shared", "group")
    return public


def parted(url: str) -> tuple[str, dict[str, str]]:
    """The URL as everybody may see it, and DVC's options for what it held of credentials.

    SpanlineError for credentials that DVC has no option for, and for a query or fragment, where other keys stand.
    """
    if _is_folder(url) or without_secrets(url) == url:
        return url, {}
    try:
        parts = urllib.parse.urlsplit(url)
        _ = parts.port
    except ValueError:
        raise SpanlineError(url, "is no URL", "write @, / and ? of a password as %40, %2F and %3F") from None
    user, password = parts.username, parts.password
    names = CREDENTIALS.get(parts.scheme, ())
    if parts.query or parts.fragment or "@" in parts.path or not names or user is None:
        todo = "give the URL without secrets, then: dvc remote modify --local team NAME VALUE (docs/TEAM.md)"
        raise SpanlineError(url, "holds a secret that has no place of its own in DVC's settings", todo)
    values = dict(zip(names, (user, password), strict=True))
    secrets = {name: urllib.parse.unquote(value) for name, value in values.items() if value is not None}
    if password is not None and parts.scheme in ("http", "https"):
        secrets["auth"] = "basic"
    return without_secrets(url), secrets


def set_cache(folder: Path, group: str | None) -> None:
    """Share one cache between this machine's users: a link per file instead of a copy, writable for the group."""
    _make_shared(folder, group)
    # Not hard links: the kernel refuses them on other people's files (fs.protected_hardlinks).
    for key, value in (("dir", str(folder)), ("shared", "group"), ("type", "reflink,symlink")):
        _run("dvc", "config", "--local", f"cache.{key}", value)


def _make_shared(folder: Path, group: str | None) -> None:
    """What anybody makes inside belongs to the group, which may write it, whatever the maker's umask."""
    if folder.exists() and folder.stat().st_uid != os.getuid():
        return  # its owner has done this
    folder.mkdir(parents=True, exist_ok=True)
    if group:
        shutil.chown(folder, group=group)
    folder.chmod(SET_GID)
    try:
        os.setxattr(folder, "system.posix_acl_default", DEFAULT_ACL)
    except OSError:  # some network file systems have no access-control lists
        console.say(f"{folder}: has no access-control lists; its users need `umask 002` in their shell's profile")


def _is_folder(url: str) -> bool:
    return "://" not in url and not url.startswith("remote:")


def _run(*command: str, hidden: str | None = None) -> None:
    """A command of git or DVC; its own last words when it fails, without the word that is `hidden`."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        shown = [word if word != hidden else "..." for word in command]
        said = (done.stderr or done.stdout).strip()
        said = said.replace(hidden, "...") if hidden else said
        raise SpanlineError(shlex.join(shown), said, "fix that and run it again")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--remote", help="URL or folder that DVC pushes to and pulls from; written to .dvc/config")
    parser.add_argument("--cache", type=Path, help="folder of the cache shared on this machine; for this clone only")
    parser.add_argument("--group", help="group of the users who share the folders; without it that of who makes them")
    args = parser.parse_args()
    set_merge_drivers()
    console.say("git merges dvc.lock by stage")
    if args.remote:
        public = set_remote(args.remote, args.group)
        console.say(f"remote {public}; commit .dvc/config so that every clone has it")
        if public != args.remote:
            console.say("its credentials are in .dvc/config.local, for this clone only; never commit that file")
    if args.cache:
        set_cache(args.cache.absolute(), args.group)
        console.say(f"cache {args.cache.absolute()}, shared by the group that owns it")


if __name__ == "__main__":
    console.run(main)
