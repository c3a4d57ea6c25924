"""What ports without a line behind them have in common: there are no settings, no modem lines and no break."""

from __future__ import annotations

from serial.serialutil import SerialBase


class Lineless(SerialBase):  # type: ignore[misc]
    """pyserial's interface; settings of a line are accepted and have no effect."""

    @property
    def cts(self) -> bool:
        """Clear to send: always."""
        return True

    @property
    def dsr(self) -> bool:
        """Data set ready: always."""
        return True

    @property
    def ri(self) -> bool:
        """Ring indicator: never."""
        return False

    @property
    def cd(self) -> bool:
        """Carrier detect: always."""
        return True

    def _reconfigure_port(self, force_update: bool = False) -> None:
        """Accept all line settings; there is no line to set."""

    def _update_rts_state(self) -> None:
        """Ignore RTS."""

    def _update_dtr_state(self) -> None:
        """Ignore DTR."""

    def _update_break_state(self) -> None:
        """Ignore a break."""
