"""Modules for what has weights, F.sigmoid and F.softmax for the rest, views by size: as most tutorials do."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SEBlock(nn.Module):
    def __init__(self, in_channels: int = 16, reduction: int = 4) -> None:
        super().__init__()
        self.fc1 = nn.Linear(in_channels, in_channels // reduction)
        self.fc2 = nn.Linear(in_channels // reduction, in_channels)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.size()
        out = F.avg_pool2d(x, kernel_size=(height, width)).view(batch, channels)
        out = F.relu(self.fc1(out))
        out = F.sigmoid(self.fc2(out))
        return x * out.view(batch, channels, 1, 1).expand_as(x)


class ECABlock(nn.Module):
    def __init__(self, kernel_size: int = 5) -> None:
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.conv = nn.Conv1d(1, 1, kernel_size=kernel_size, padding=(kernel_size - 1) // 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.avg_pool(x)
        y = self.conv(y.squeeze(-1).permute(0, 2, 1)).permute(0, 2, 1).unsqueeze(-1)
        return x * F.sigmoid(y).expand_as(x)


class ChannelAttention(nn.Module):
    def __init__(self, in_channels: int, reduction: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(in_channels, in_channels // reduction, 1, bias=False)
        self.fc2 = nn.Conv2d(in_channels // reduction, in_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        avg_out = self.fc2(F.relu(self.fc1(F.adaptive_avg_pool2d(x, 1))))
        max_out = self.fc2(F.relu(self.fc1(F.adaptive_max_pool2d(x, 1))))
        return F.sigmoid(avg_out + max_out)


class SpatialAttention(nn.Module):
    def __init__(self, kernel_size: int = 7) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        avg_out = torch.mean(x, dim=1, keepdim=True)
        max_out, _ = torch.max(x, dim=1, keepdim=True)
        return F.sigmoid(self.conv1(torch.cat([avg_out, max_out], dim=1)))


class CBAMBlock(nn.Module):
    def __init__(self, in_channels: int = 16, reduction: int = 4) -> None:
        super().__init__()
        self.channel_attention = ChannelAttention(in_channels, reduction)
        self.spatial_attention = SpatialAttention()

    def forward(self, x: Tensor) -> Tensor:
        out = self.channel_attention(x) * x
        return self.spatial_attention(out) * out


class BAMChannel(nn.Module):
    def __init__(self, gate_channel: int, reduction: int) -> None:
        super().__init__()
        self.fc0 = nn.Linear(gate_channel, gate_channel // reduction)
        self.bn0 = nn.BatchNorm1d(gate_channel // reduction)
        self.fc1 = nn.Linear(gate_channel // reduction, gate_channel)

    def forward(self, x: Tensor) -> Tensor:
        pooled = F.avg_pool2d(x, (x.size(2), x.size(3)), stride=(x.size(2), x.size(3)))
        out = self.fc1(F.relu(self.bn0(self.fc0(pooled.view(pooled.size(0), -1)))))
        return out.unsqueeze(2).unsqueeze(3).expand_as(x)


class BAMSpatial(nn.Module):
    def __init__(self, gate_channel: int, reduction: int) -> None:
        super().__init__()
        hidden = gate_channel // reduction
        self.reduce, self.bn = nn.Conv2d(gate_channel, hidden, 1), nn.BatchNorm2d(hidden)
        self.di0 = nn.Conv2d(hidden, hidden, 3, padding=4, dilation=4)
        self.di1 = nn.Conv2d(hidden, hidden, 3, padding=4, dilation=4)
        self.final = nn.Conv2d(hidden, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn(self.reduce(x)))
        out = F.relu(self.di1(F.relu(self.di0(out))))
        return self.final(out).expand_as(x)


class BAMBlock(nn.Module):
    def __init__(self, gate_channel: int = 16, reduction: int = 4) -> None:
        super().__init__()
        self.channel_att = BAMChannel(gate_channel, reduction)
        self.spatial_att = BAMSpatial(gate_channel, reduction)

    def forward(self, in_tensor: Tensor) -> Tensor:
        att = 1 + F.sigmoid(self.channel_att(in_tensor) + self.spatial_att(in_tensor))
        return att * in_tensor


class SKBlock(nn.Module):
    def __init__(self, features: int = 16, branches: int = 2) -> None:
        super().__init__()
        self.features = features
        self.convs = nn.ModuleList(
            nn.Conv2d(features, features, 3 + 2 * i, padding=1 + i, groups=4) for i in range(branches)
        )
        self.fc = nn.Linear(features, 8)
        self.fcs = nn.ModuleList(nn.Linear(8, features) for _ in range(branches))

    def forward(self, x: Tensor) -> Tensor:
        feas, vectors = None, None
        for conv in self.convs:
            fea = F.relu(conv(x)).unsqueeze(1)
            feas = fea if feas is None else torch.cat([feas, fea], dim=1)
        fea_z = F.relu(self.fc(torch.sum(feas, dim=1).mean(-1).mean(-1)))
        for fc in self.fcs:
            vector = fc(fea_z).unsqueeze(1)
            vectors = vector if vectors is None else torch.cat([vectors, vector], dim=1)
        attention = F.softmax(vectors, dim=1).unsqueeze(-1).unsqueeze(-1)
        return (feas * attention).sum(dim=1)


class SCSEBlock(nn.Module):
    def __init__(self, in_channels: int = 16) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(in_channels, in_channels // 2), nn.Linear(in_channels // 2, in_channels)
        self.conv = nn.Conv2d(in_channels, 1, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        b, c, _, _ = x.size()
        squeeze = x.view(b, c, -1).mean(dim=2)
        fc_out = F.sigmoid(self.fc2(F.relu(self.fc1(squeeze))))
        spa = torch.mul(x, F.sigmoid(self.conv(x)))
        cha = torch.mul(x, fc_out.view(b, c, 1, 1))
        return torch.max(cha, spa)


class NonLocalBlock(nn.Module):
    def __init__(self, in_channels: int = 16) -> None:
        super().__init__()
        self.inter_channels = in_channels // 2
        self.g = nn.Conv2d(in_channels, self.inter_channels, 1)
        self.theta = nn.Conv2d(in_channels, self.inter_channels, 1)
        self.phi = nn.Conv2d(in_channels, self.inter_channels, 1)
        self.W = nn.Conv2d(self.inter_channels, in_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        batch_size = x.size(0)
        g_x = F.max_pool2d(self.g(x), 2).view(batch_size, self.inter_channels, -1).permute(0, 2, 1)
        theta_x = self.theta(x).view(batch_size, self.inter_channels, -1).permute(0, 2, 1)
        phi_x = F.max_pool2d(self.phi(x), 2).view(batch_size, self.inter_channels, -1)
        f_div_c = F.softmax(torch.matmul(theta_x, phi_x), dim=-1)
        y = torch.matmul(f_div_c, g_x).permute(0, 2, 1).contiguous()
        return self.W(y.view(batch_size, self.inter_channels, *x.size()[2:])) + x


class GCBlock(nn.Module):
    def __init__(self, inplanes: int = 16, ratio: float = 0.25) -> None:
        super().__init__()
        planes = int(inplanes * ratio)
        self.conv_mask = nn.Conv2d(inplanes, 1, kernel_size=1)
        self.conv1, self.ln = nn.Conv2d(inplanes, planes, 1), nn.LayerNorm([planes, 1, 1])
        self.conv2 = nn.Conv2d(planes, inplanes, 1)

    def forward(self, x: Tensor) -> Tensor:
        batch, channel, height, width = x.size()
        input_x = x.view(batch, channel, height * width).unsqueeze(1)
        context_mask = self.conv_mask(x).view(batch, 1, height * width)
        context_mask = F.softmax(context_mask, dim=2).unsqueeze(-1)
        context = torch.matmul(input_x, context_mask).view(batch, channel, 1, 1)
        return x + self.conv2(F.relu(self.ln(self.conv1(context))))


class CoordBlock(nn.Module):
    def __init__(self, inp: int = 16, mip: int = 8) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inp, mip, 1), nn.BatchNorm2d(mip)
        self.conv_h, self.conv_w = nn.Conv2d(mip, inp, 1), nn.Conv2d(mip, inp, 1)

    def forward(self, x: Tensor) -> Tensor:
        identity = x
        _, _, h, w = x.size()
        x_h = F.adaptive_avg_pool2d(x, (h, 1))
        x_w = F.adaptive_avg_pool2d(x, (1, w)).permute(0, 1, 3, 2)
        y = self.bn1(self.conv1(torch.cat([x_h, x_w], dim=2)))
        y = y * F.relu6(y + 3) / 6
        x_h, x_w = torch.split(y, [h, w], dim=2)
        a_h = F.sigmoid(self.conv_h(x_h))
        a_w = F.sigmoid(self.conv_w(x_w.permute(0, 1, 3, 2)))
        return identity * a_w * a_h


STYLE: dict[str, type[nn.Module]] = {
    "SE": SEBlock,
    "ECA": ECABlock,
    "CBAM": CBAMBlock,
    "BAM": BAMBlock,
    "SK": SKBlock,
    "scSE": SCSEBlock,
    "Non-Local": NonLocalBlock,
    "GC": GCBlock,
    "CA": CoordBlock,
}
