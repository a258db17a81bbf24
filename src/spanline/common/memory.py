"""Want of memory, recognised: each library has its own error for it, some of which look like a damaged file."""

from __future__ import annotations

import errno

# How torch, Arrow, safetensors, the loader of shared libraries and Python's threads put it where no type says it.
_WORDS = (
    "can't allocate memory",
    "cannot allocate memory",
    "out of memory",
    "malloc of size",
    "realloc of size",
    "bad_alloc",
    "bad allocation",
    "failed to map segment",
    "status_alloc_failed",  # cuBLAS, cuDNN
    "can't start new thread",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error says that this process can have no more memory."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # the latter is torch's, of GPUs
        return True
    if getattr(error, "errno", None) == errno.ENOMEM:
        return True
    return any(words in str(error).lower() for words in _WORDS)


def raise_if_out_of_memory(error: BaseException) -> None:
    """For handlers that take any error for a damaged file: this one goes on as MemoryError."""
    if is_out_of_memory(error):
        raise MemoryError(str(error).partition("\n")[0]) from None
