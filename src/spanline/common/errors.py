"""The one exception for a mistake that the user can fix: a line that says where, what is wrong and what to do."""

import re

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)(\S+)")
_QUERY = re.compile(r"[?#].*?([:;,.'\")\]]*)$")  # the end of the sentence around the URL stays


def without_secrets(text: str) -> str:
    """The text with each URL in it cut to what may be shown: no user, password or token before an @, no query (where
    signed URLs carry their key), no fragment. A password may hold @ and /, so all up to the last @ goes."""
    return _URL.sub(lambda url: url[1] + _QUERY.sub(r"\1", url[2].rpartition("@")[2]), text)


class SpanlineError(ValueError):
    """A mistake in params, data or environment. `console.run` prints it as one line and exits with 1, no traceback.

    `where` names the file (and record), `what` says what is wrong, `todo` says what to do about it. Secrets of URLs are
    taken out of all three.
    """

    def __init__(self, where: object, what: str, todo: str = "") -> None:
        self.where, self.what, self.todo = (without_secrets(part) for part in (str(where), what, todo))
        super().__init__(f"{self.where}: {self.what}" + (f"; {self.todo}" if todo else ""))

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        """So that it travels between processes whole."""
        return type(self), (self.where, self.what, self.todo)
