"""The exceptions of the workstation side."""


class ModelExportError(Exception):
    """Something about a recipe, a data set, a checkpoint or an export is wrong.

    The message names what was wrong, the value found, and what to do about it.
    """


class UsageError(ModelExportError):
    """An option of the command line is wrong; such a command ends with exit code 2."""
