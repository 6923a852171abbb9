"""What a user can put right: the CLI prints these as one line, without a traceback."""


class InputError(ValueError):
    """An unusable input (file, key, value). The message names it, what is allowed, what to do."""


class ConfigError(InputError):
    """The configuration is unusable. The message has one line per wrong key."""


class DamagedFile(InputError):
    """A file that is not whole, or not what its name says: read leniently, it is left out."""
