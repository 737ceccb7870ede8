"""Set-up mode: a station that is not commissioned yet is under maintenance until it is. Loaded while that lasts."""

from .maintenance import Maintenance


class Setup(Maintenance):
    """path: of the file `setup`, which the order `commission` removes."""

    FIELD = "setup"

    def left_s(self):
        """It does not end by itself."""
        return 1
