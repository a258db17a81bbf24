"""What the stages wrote in any git revision or DVC experiment, without a checkout: dvc.lock by git, the rest from DVC.

The objects are taken from DVC's cache where they are; for those that are not, the program `dvc` is called, which also
asks the remote. Nothing here imports DVC.
"""

from __future__ import annotations

import configparser
import fnmatch
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from spanline.common.errors import SpanlineError

LOCK = "dvc.lock"
EXPERIMENTS = "refs/exps"  # DVC keeps an experiment NAME as refs/exps/AB/CDEF.../NAME


@dataclass(frozen=True)
class Revision:
    """A commit of the project, with what its dvc.lock names."""

    project: Path
    name: str  # as the user called it
    commit: str
    scratch: Path  # a folder for what DVC's cache lacks

    @cached_property
    def lock(self) -> dict[str, Any]:
        """The stages of dvc.lock."""
        text = _git(self.project, "show", f"{self.commit}:./{LOCK}")
        if text is None:
            raise SpanlineError(self.name, f"has no {LOCK}", "name a revision in which the pipeline had run")
        try:
            stages: dict[str, Any] = YAML(typ="safe").load(text)["stages"]
        except (YAMLError, TypeError, KeyError):
            what = f"its {LOCK} cannot be read (a merge that stopped, perhaps)"
            raise SpanlineError(self.name, what, "run dvc repro there, and commit") from None
        return stages

    def stage(self, name: str) -> dict[str, Any]:
        if name not in self.lock:
            raise SpanlineError(self.name, f"its {LOCK} has no stage {name}", "run dvc repro there, and commit")
        found: dict[str, Any] = self.lock[name]
        return found

    def output_of(self, stage: str) -> str:
        """The path of a stage's first output."""
        path: str = self.stage(stage)["outs"][0]["path"]
        return path

    def hash_of(self, path: str) -> str:
        """MD5 of an output (of a folder: of its listing, with `.dir`), as dvc.lock has it."""
        for stage in self.lock.values():
            for out in stage.get("outs", []):
                if out["path"] == path:
                    return str(out["md5"])
        raise SpanlineError(self.name, f"its {LOCK} names no output {path}", "name a revision of this pipeline")

    def file(self, path: str, name: str) -> Path:
        """A file `name` of the output folder `path`; its bytes are those that dvc.lock names."""
        return self.files(path, [name])[name]

    def files(self, path: str, names: Sequence[str] | None = None) -> dict[str, Path]:
        """Files of the output folder `path` by name: these, or all."""
        md5 = self.hash_of(path)
        listing = self._object(md5, path, None)
        entries = {entry["relpath"]: entry["md5"] for entry in json.loads(listing.read_bytes())}
        for name in names or ():
            if name not in entries:
                raise SpanlineError(self.name, f"has no {path}/{name}", "name a revision of this pipeline")
        wanted = entries if names is None else {name: entries[name] for name in names}
        return {name: self._object(md5, path, name) for name, md5 in wanted.items()}

    def whole(self, path: str) -> Path:
        """An output that is a file of its own."""
        md5 = self.hash_of(path)
        cached = self._cached(md5)
        return _checked(cached if cached.is_file() else self._fetched(path), md5, f"{self.name}: {path}")

    def folder(self, path: str) -> Path:
        """The output folder `path` under a name of its own: links to the objects of DVC's cache."""
        linked = self.scratch / self.commit / "linked" / path
        for name, file in self.files(path).items():
            target = linked / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                target.symlink_to(file.resolve())
        return linked

    def _object(self, md5: str, path: str, name: str | None) -> Path:
        """An object of the cache; a missing one is fetched with `dvc get`."""
        cached = self._cached(md5)
        if cached.is_file():
            return _checked(cached, md5, f"{self.name}: {path}")
        if name is None:
            return self._listed_by_dvc(md5, path)
        return _checked(self._fetched(path) / name, md5, f"{self.name}: {path}/{name}")

    def _cached(self, md5: str) -> Path:
        return self._cache / "files" / "md5" / md5[:2] / md5[2:]

    def _fetched(self, path: str) -> Path:
        """The output `path`, from the cache or the remote, in our scratch folder."""
        out = self.scratch / self.commit / path
        if out.exists():
            return out
        out.parent.mkdir(parents=True, exist_ok=True)
        program = shutil.which("dvc")
        if program is None:
            raise SpanlineError("dvc", "is not on the path", "activate the environment that has it")
        command = [program, "get", "--quiet", ".", path, "--rev", self.commit, "--out", str(out)]
        done = subprocess.run(command, cwd=self.project, capture_output=True, text=True)
        if done.returncode:
            todo = "in a clone that has it type make push, or run the pipeline there"
            raise SpanlineError(f"{self.name}: {path}", "is neither in DVC's cache nor on the remote", todo)
        return out

    def _listed_by_dvc(self, md5: str, path: str) -> Path:
        """A listing as DVC writes it, made from the fetched folder."""
        folder = self._fetched(path)
        files = sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
        rows = [{"md5": hashlib.md5((folder / name).read_bytes()).hexdigest(), "relpath": name} for name in files]
        listing = folder.with_name(f"{folder.name}.listing")
        listing.write_text(json.dumps(rows))
        return _checked(listing, md5, f"{self.name}: {path}")

    @cached_property
    def _cache(self) -> Path:
        """DVC's cache folder, by its configuration files; the last that names one wins."""
        dvc = self.project / ".dvc"
        found = dvc / "cache"
        home = Path(os.environ.get("XDG_CONFIG_HOME", Path.home() / ".config"))
        for path in (Path("/etc/xdg/dvc/config"), home / "dvc" / "config", dvc / "config", dvc / "config.local"):
            parser = configparser.ConfigParser(interpolation=None, strict=False)
            parser.read(path, encoding="utf-8")
            if folder := parser.get("cache", "dir", fallback=None):
                found = path.parent / Path(folder).expanduser()
        return found


def _checked(path: Path, md5: str, what: str) -> Path:
    with path.open("rb") as file:
        if hashlib.file_digest(file, "md5").hexdigest() != md5.removesuffix(".dir"):
            raise SpanlineError(what, "is damaged in DVC's cache", "type make verify, then dvc pull")
    return path


def find(project: Path, name: str, scratch: Path) -> list[Revision]:
    """The revision or experiment of this name; with `*`, `?` or `[...]` all experiments and branches that match it."""
    if any(letter in name for letter in "*?["):
        matching = {n: c for n, c in sorted(_names(project).items()) if fnmatch.fnmatchcase(n, name)}
        if not matching:
            raise SpanlineError(name, "matches no experiment and no branch", "see dvc exp list --all-commits")
        return [Revision(project, found, commit, scratch) for found, commit in matching.items()]
    commit = _git(project, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    commit = commit.strip() if commit else _names(project).get(name)
    if commit is None:
        raise SpanlineError(
            name, "is no file, folder, git revision or DVC experiment", "see dvc exp list --all-commits"
        )
    return [Revision(project, name, commit, scratch)]


def _names(project: Path) -> dict[str, str]:
    """Branches and experiments by name -> commit; an experiment that several commits have counts as its newest."""
    form = "--format=%(objectname) %(refname)"
    lines = _git(project, "for-each-ref", "--sort=committerdate", form, "refs/heads", EXPERIMENTS) or ""
    found = {}
    for line in lines.splitlines():
        commit, ref = line.split(" ", 1)
        if not ref.startswith(f"{EXPERIMENTS}/exec/"):
            found[ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else ref.rpartition("/")[2]] = commit
    return found


def _git(project: Path, *arguments: str) -> str | None:
    """What git prints; None where it fails."""
    done = subprocess.run(["git", *arguments], cwd=project, capture_output=True, text=True, encoding="utf-8")
    return done.stdout if done.returncode == 0 else None
