"""Push a released folder to a model hub, through huggingface_hub and its own login; private unless told otherwise.

The token comes from the environment (HF_TOKEN) or from `hf auth login`, never from an option: options end up in shell
histories and logs. HF_ENDPOINT names another hub than huggingface.co.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from spanline.ask.answering import ANSWERING
from spanline.common.errors import SpanlineError
from spanline.common.files import sha256
from spanline.release.folder import CARD

NEEDED = ("config.json", "model.safetensors", "tokenizer.json", ANSWERING, CARD)


@dataclass(frozen=True)
class File:
    """A file that goes up."""

    name: str
    num_bytes: int
    sha256: str


def release_files(folder: Path) -> list[File]:
    """The files of a release, by name; SpanlineError when it is not whole, or holds what no release has."""
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise SpanlineError(folder, f"is no release: it has no {missing[0]}", "make one: spanline release")
    found = sorted(folder.iterdir())
    odd = [path.name for path in found if not path.is_file() or path.name.startswith(".")]
    if odd:
        raise SpanlineError(folder / odd[0], "is nothing that a release has", "make it anew: spanline release")
    return [File(path.name, path.stat().st_size, sha256(path)) for path in found]


def check_name(name: str) -> None:
    """SpanlineError unless it is OWNER/MODEL."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name, flags=re.ASCII):
        raise SpanlineError("spanline push", f"{name!r} is no name of a model", "write OWNER/MODEL")


def push(folder: Path, name: str, *, public: bool, message: str) -> str:
    """Create the repository where there is none yet, upload the release as one commit, return the commit's URL.

    A repository that is there keeps its visibility; SpanlineError when that is public and `public` is not given.
    """
    import huggingface_hub
    from huggingface_hub.errors import LocalTokenNotFoundError

    release_files(folder)
    api = huggingface_hub.HfApi(library_name="spanline")
    try:
        if huggingface_hub.get_token() is None:
            raise LocalTokenNotFoundError
        api.create_repo(name, private=not public, exist_ok=True)
        if not public and not api.model_info(name).private:
            what = "is public already, and --public is not given"
            raise SpanlineError(name, what, "give --public, or make it private on the hub first")
        return str(api.upload_folder(repo_id=name, folder_path=folder, commit_message=message).commit_url)
    except LocalTokenNotFoundError:
        raise SpanlineError(name, "there is no token to log in with", "set HF_TOKEN, or: hf auth login") from None
    except SpanlineError:
        raise
    except Exception as error:  # dozens of kinds, all of them about the name, the token or the network
        reason = " ".join(str(error).split())  # all of it: the hub lists what it refuses line by line
        todo = "check the name, the token's rights and the network (HF_ENDPOINT names another hub)"
        raise SpanlineError(name, f"can't be pushed ({type(error).__name__}: {reason})", todo) from None
