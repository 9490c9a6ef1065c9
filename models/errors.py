"""Errors that a user can cause or mend."""


class MmerError(Exception):
    """A mistake that the user can put right: the message says what is wrong and what to do.

    Commands print the message alone and end with status 2; libraries raise it.
    """
