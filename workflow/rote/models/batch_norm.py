"""Batch normalization that a batch of one row does not stop."""

from torch import Tensor, nn
from torch.nn import functional as F


class BatchNorm(nn.BatchNorm2d):
    """Batch normalization of images; one value per channel is normalized by running statistics.

    Such a batch, e.g. the last of an epoch with one row whose feature map is 1 × 1, has no
    variance: torch refuses it. It leaves the running statistics as they are.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Images (batch, channels, height, width), normalized."""
        if not self.training or input.numel() > input.shape[1]:
            return super().forward(input)
        return F.batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
        )
