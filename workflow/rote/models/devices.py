"""Devices of torch that users name."""

import torch

from rote.core.errors import InputError


def check_device(device: str | torch.device) -> None:
    """Refuse a device that this machine cannot compute on.

    Args:
        device: of torch.

    Raises:
        InputError: for a name that torch does not know, and a device that is not there.
    """
    try:
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, TypeError, ValueError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {str(device)!r} is not there: {reason}") from error
