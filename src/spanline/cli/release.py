"""`spanline release` and `spanline push`: a model for others."""

from __future__ import annotations

import argparse
from pathlib import Path

from spanline.common import console


def add_release(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=run_release)
    parser.add_argument("--project", type=Path, default=Path(), help="root of the pipeline (default: here)")
    parser.add_argument("--out", type=Path, default=Path("release"), help="folder to write (default: release)")
    parser.add_argument("--encoder-licence", help="SPDX name, where it is not known here, as apache-2.0")


def run_release(args: argparse.Namespace) -> None:
    """The model with its card, its settings and its calibration in one folder, for others."""
    from spanline.release import folder

    facts = folder.write(args.project, args.out, args.encoder_licence)
    dirty = ", with changes that no commit has" if facts.commit.endswith("+") else ""
    console.say(
        f"{args.out}: the model of commit {facts.commit[:9]}{dirty}; exact {facts.scores['answers']['exact']:.2f}"
    )


def add_push(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=run_push)
    parser.add_argument("name", help="OWNER/MODEL on the hub")
    parser.add_argument("--folder", type=Path, default=Path("release"), help="what release wrote (default: release)")
    parser.add_argument("--public", action="store_true", help="let everybody see it (default: private)")
    parser.add_argument("--message", default="Model, card and calibration", help="of the commit on the hub")
    parser.add_argument("--dry-run", action="store_true", help="say what would go up; needs no network and no token")


def run_push(args: argparse.Namespace) -> None:
    """Upload a release to a model hub: private unless --public; the token from HF_TOKEN or `hf auth login`."""
    from spanline.release import upload

    upload.check_name(args.name)
    seen = "public" if args.public else "private"
    for file in upload.release_files(args.folder):
        console.say(f"{file.name}  {file.num_bytes:,} bytes  sha256 {file.sha256}")
    if args.dry_run:
        console.say(f"dry run: nothing was sent; these would go to {args.name} ({seen})")
        return
    url = upload.push(args.folder, args.name, public=args.public, message=args.message)
    console.say(f"pushed to {args.name} ({seen}): {url}")
