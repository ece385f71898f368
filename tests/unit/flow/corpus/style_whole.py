"""Networks without modules of attention: all is written out in the network's own forward."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Net(nn.Module):
    """What each of them starts and ends with."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
        self.bn1, self.bn2 = nn.BatchNorm2d(16), nn.BatchNorm2d(16)
        self.fc = nn.Linear(16, 10)


class SENet(Net):
    def __init__(self) -> None:
        super().__init__()
        self.squeeze, self.excite = nn.Linear(16, 4), nn.Linear(4, 16)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        s = self.excite(F.relu(self.squeeze(x.mean((2, 3))))).sigmoid()
        x = x * s[:, :, None, None]
        x = F.relu(self.bn2(self.conv2(x)))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class ECANet(Net):
    def __init__(self) -> None:
        super().__init__()
        self.eca = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(x))
        y = self.eca(out.mean((2, 3)).unsqueeze(1)).squeeze(1)
        out = out * torch.sigmoid(y).unsqueeze(-1).unsqueeze(-1)
        return self.fc(F.relu(out + x).mean((2, 3)))


class CBAMNet(Net):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(16, 4), nn.Linear(4, 16)
        self.spatial = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        avg, top = x.mean((2, 3)), x.amax((2, 3))
        ca = torch.sigmoid(self.fc2(F.relu(self.fc1(avg))) + self.fc2(F.relu(self.fc1(top))))
        x = x * ca[:, :, None, None]
        sa = torch.sigmoid(self.spatial(torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)))
        x = x * sa
        return self.fc(F.relu(self.bn2(self.conv2(x))).mean((2, 3)))


class BAMNet(Net):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(16, 4), nn.Linear(4, 16)
        self.c1, self.c2 = nn.Conv2d(16, 4, 1), nn.Conv2d(4, 4, 3, padding=4, dilation=4)
        self.c3, self.c4 = nn.Conv2d(4, 4, 3, padding=4, dilation=4), nn.Conv2d(4, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        mc = self.fc2(F.relu(self.fc1(x.mean((2, 3)))))[:, :, None, None]
        ms = self.c4(F.relu(self.c3(F.relu(self.c2(F.relu(self.c1(x)))))))
        x = x + x * torch.sigmoid(mc + ms)
        return self.fc(F.relu(self.bn2(self.conv2(x))).mean((2, 3)))


class SKNet(Net):
    def __init__(self) -> None:
        super().__init__()
        self.branch3, self.branch5 = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=2, dilation=2)
        self.z, self.a, self.b = nn.Linear(16, 8), nn.Linear(8, 16), nn.Linear(8, 16)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        u3, u5 = F.relu(self.branch3(x)), F.relu(self.branch5(x))
        z = F.relu(self.z((u3 + u5).mean((2, 3))))
        ea, eb = torch.exp(self.a(z)), torch.exp(self.b(z))
        a, b = ea / (ea + eb), eb / (ea + eb)
        x = u3 * a[:, :, None, None] + u5 * b[:, :, None, None]
        return self.fc(F.relu(self.bn2(self.conv2(x))).mean((2, 3)))


class SCSENet(Net):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2, self.where = nn.Linear(16, 8), nn.Linear(8, 16), nn.Conv2d(16, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        cse = x * torch.sigmoid(self.fc2(F.relu(self.fc1(x.mean((2, 3))))))[:, :, None, None]
        sse = x * torch.sigmoid(self.where(x))
        return self.fc(F.relu(self.bn2(self.conv2(cse + sse))).mean((2, 3)))


class NonLocalNet(Net):
    def __init__(self) -> None:
        super().__init__()
        self.theta, self.phi, self.g = (nn.Conv2d(16, 8, 1) for _ in range(3))
        self.out = nn.Conv2d(8, 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        n, _, h, w = x.shape
        attention = torch.softmax(self.theta(x).view(n, 8, -1).transpose(1, 2) @ self.phi(x).view(n, 8, -1), dim=-1)
        y = (attention @ self.g(x).view(n, 8, -1).transpose(1, 2)).transpose(1, 2).reshape(n, 8, h, w)
        x = x + self.out(y)
        return self.fc(F.relu(self.bn2(self.conv2(x))).mean((2, 3)))


class GCNet(Net):
    def __init__(self) -> None:
        super().__init__()
        self.k, self.v1, self.ln, self.v2 = nn.Conv2d(16, 1, 1), nn.Linear(16, 4), nn.LayerNorm(4), nn.Linear(4, 16)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        weights = torch.softmax(self.k(x).flatten(1), dim=1).view(-1, 1, *x.shape[2:])
        context = (x * weights).sum((2, 3))
        x = x + self.v2(F.relu(self.ln(self.v1(context))))[:, :, None, None]
        return self.fc(F.relu(self.bn2(self.conv2(x))).mean((2, 3)))


class CoordinateNet(Net):
    def __init__(self) -> None:
        super().__init__()
        self.mix, self.bn3 = nn.Conv2d(16, 8, 1), nn.BatchNorm2d(8)
        self.to_h, self.to_w = nn.Conv2d(8, 16, 1), nn.Conv2d(8, 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        h = x.shape[2]
        y = torch.cat([x.mean(3, keepdim=True), x.mean(2, keepdim=True).transpose(2, 3)], dim=2)
        y = F.hardswish(self.bn3(self.mix(y)))
        gh = torch.sigmoid(self.to_h(y[:, :, :h]))
        gw = torch.sigmoid(self.to_w(y[:, :, h:].transpose(2, 3)))
        x = x * (gh * gw)
        return self.fc(F.relu(self.bn2(self.conv2(x))).mean((2, 3)))


STYLE: dict[str, type[nn.Module]] = {
    "SE": SENet,
    "ECA": ECANet,
    "CBAM": CBAMNet,
    "BAM": BAMNet,
    "SK": SKNet,
    "scSE": SCSENet,
    "Non-Local": NonLocalNet,
    "GC": GCNet,
    "CA": CoordinateNet,
}
