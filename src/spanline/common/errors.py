"""The one exception for a mistake that the user can fix: a line that says where, what is wrong and what to do."""


class SpanlineError(ValueError):
    """A mistake in params, data or environment. `console.run` prints it as one line and exits with 1, no traceback.

    `where` names the file (and record), `what` says what is wrong, `todo` says what to do about it.
    """

    def __init__(self, where: object, what: str, todo: str = "") -> None:
        self.where, self.what, self.todo = str(where), what, todo
        super().__init__(f"{where}: {what}; {todo}" if todo else f"{where}: {what}")

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        """So that it travels between processes whole."""
        return type(self), (self.where, self.what, self.todo)
