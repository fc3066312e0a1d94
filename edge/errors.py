"""The one error that a person is meant to read."""


class M3erError(Exception):
    """Something that the user can mend: says what was wrong, with which file or device, and what to do.

    Command lines print it as one line and exit with status 2; everything else is a bug and shows a traceback.
    """
