"""The speech encoder: convolutions over log-mel, dilated ones over time, attention and statistics pooling."""

import torch
from torch import Tensor, nn

from export.nets.encoder import Encoder

_CHANNELS = 80


def _conv(inputs: int, outputs: int, kernel: int, stride: tuple[int, int]) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        nn.Dropout2d(0.05),
    )


class _Dilated(nn.Module):
    """A residual convolution over time: what a recurrent layer would remember, in one pass."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, (3, 1), padding=(dilation, 0), dilation=(dilation, 1), bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.conv(x))
        return x + y.relu()


class _Body(nn.Module):
    """Log-mel (batch, 1, 300, 48) to what was heard over the window: (batch, 240)."""

    def __init__(self) -> None:
        super().__init__()
        self.front = nn.Sequential(
            _conv(1, 24, 5, (2, 2)),
            _conv(24, 32, 3, (1, 2)),
            _conv(32, 48, 3, (2, 2)),
            _conv(48, 64, 3, (1, 2)),
        )  # -> (batch, 64, 75, 3)
        self.squeeze = nn.Sequential(
            nn.Conv2d(64, _CHANNELS, (1, 3), bias=False), nn.BatchNorm2d(_CHANNELS), nn.ReLU(inplace=True)
        )  # -> (batch, 80, 75, 1)
        self.over_time = nn.Sequential(*[_Dilated(_CHANNELS, dilation) for dilation in (1, 2, 4)])
        self.attention = nn.Conv2d(_CHANNELS, 1, 1)

    def forward(self, log_mel: Tensor) -> Tensor:
        x = self.over_time(self.squeeze(self.front(log_mel)))
        weight = self.attention(x).softmax(dim=2)
        attended = (weight * x).sum(dim=(2, 3))
        mean = x.mean(dim=(2, 3))
        spread = (x - mean[:, :, None, None]).square().mean(dim=(2, 3)).add(1e-5).sqrt()
        return torch.cat([attended, mean, spread], dim=1)


class SpeechEncoder(Encoder):
    """Log-mel windows, float32 (batch, 1, 300, 48), to features, float32 (batch, 64)."""

    def __init__(self) -> None:
        super().__init__(_Body(), pooled=3 * _CHANNELS, dropout=0.2)
