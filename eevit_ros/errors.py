"""The one exception class of the robot side."""


class EevitError(Exception):
    """A model, an image or a parameter is wrong.

    The message names what was wrong, the value found, and what to do about it.
    """
