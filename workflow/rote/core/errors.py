"""What a user can put right: the CLI prints these as one line, without a traceback."""


class InputError(ValueError):
    """An input (file, key, value) is unusable. The message names it, says what is allowed and what
    to do.
    """


class ConfigError(InputError):
    """The configuration is unusable. The message has one line per wrong key."""
