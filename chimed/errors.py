"""Errors that a user can mend, each with the exit code of the contract: what came, where, what to do."""

from __future__ import annotations


class ChimedError(Exception):
    """Base of all errors that end a command with one line and no traceback."""

    exit_code = 1


class UsageError(ChimedError):
    """A wrong option, recipe or name (exit 2)."""

    exit_code = 2


class AuthError(ChimedError):
    """Not authorised: no token, a wrong one, a gated or private repository (exit 3)."""

    exit_code = 3


class ConflictError(ChimedError):
    """Somebody else's state is in the way: moved head, taken tag, running build (exit 4)."""

    exit_code = 4


class NetworkError(ChimedError):
    """The network or the server did not answer as it should (exit 5)."""

    exit_code = 5


class DataError(ChimedError):
    """Missing or unreadable file, schema violation, a ledger that does not close (exit 6)."""

    exit_code = 6
