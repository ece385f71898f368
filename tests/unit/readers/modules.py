"""Real attention modules of the libraries, and fixtures with the signatures of two that are not installed here."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from pytorchcv.models.bamresnet import BamBlock
from pytorchcv.models.cbamresnet import CbamBlock
from pytorchcv.models.common.att import SEBlock
from pytorchcv.models.sknet import SKConvBlock
from timm import layers
from timm.layers.bottleneck_attn import BottleneckAttn
from timm.layers.cbam import CbamModule, LightCbamModule
from timm.layers.coord_attn import CoordAttn, EfficientLocalAttn, SimpleCoordAttn, StripAttn
from timm.layers.halo_attn import HaloAttn
from timm.layers.lambda_layer import LambdaLayer
from timm.layers.non_local_attn import BatNonLocalAttn, NonLocalAttn
from timm.models._efficientnet_blocks import SqueezeExcite
from timm.models.senet import SEModule as LegacySE
from torch import Tensor, nn
from torchvision.ops import SqueezeExcitation

from tests.seeds import seed_for_run

C = 32


class SCSEModule(nn.Module):
    """With the signature of segmentation_models_pytorch's."""

    def __init__(self, in_channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = in_channels // reduction
        self.cSE = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(in_channels, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, in_channels, 1),
            nn.Sigmoid(),
        )
        self.sSE = nn.Sequential(nn.Conv2d(in_channels, 1, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.cSE(x) + x * self.sSE(x)


class NonLocal2d(nn.Module):
    """With the signature of mmcv's."""

    def __init__(self, in_channels: int, mode: str, *, use_scale: bool = True, sub_sample: bool = False) -> None:
        super().__init__()
        self.in_channels, self.inter_channels = in_channels, in_channels // 2
        self.mode, self.use_scale, self.sub_sample = mode, use_scale, sub_sample
        self.g: nn.Module = nn.Conv2d(in_channels, self.inter_channels, 1)
        self.conv_out = nn.Sequential(nn.Conv2d(self.inter_channels, in_channels, 1), nn.BatchNorm2d(in_channels))
        if mode != "gaussian":
            self.theta = nn.Conv2d(in_channels, self.inter_channels, 1)
            self.phi: nn.Module = nn.Conv2d(in_channels, self.inter_channels, 1)
        if mode == "concatenation":
            self.concat_project = nn.Sequential(nn.Conv2d(2 * self.inter_channels, 1, 1, bias=False), nn.ReLU())
        if sub_sample:
            self.g = nn.Sequential(self.g, nn.MaxPool2d(2))
            self.phi = nn.MaxPool2d(2) if mode == "gaussian" else nn.Sequential(self.phi, nn.MaxPool2d(2))

    def _weights(self, x: Tensor) -> Tensor:
        if self.mode == "gaussian":
            theta, phi = x.flatten(2), (self.phi(x) if self.sub_sample else x).flatten(2)
            return (theta.transpose(1, 2) @ phi).softmax(-1)
        theta, phi = self.theta(x).flatten(2), self.phi(x).flatten(2)
        if self.mode == "concatenation":
            rows, columns = theta.shape[2], phi.shape[2]
            pairs = torch.cat(
                [theta[..., None].expand(-1, -1, -1, columns), phi[:, :, None].expand(-1, -1, rows, -1)], 1
            )
            return self.concat_project(pairs)[:, 0] / columns
        match = theta.transpose(1, 2) @ phi
        if self.mode == "dot_product":
            return match / match.shape[-1]
        if self.use_scale:
            match = match / theta.shape[1] ** 0.5
        return match.softmax(-1)

    def forward(self, x: Tensor) -> Tensor:
        y = self._weights(x) @ self.g(x).flatten(2).transpose(1, 2)
        return x + self.conv_out(y.transpose(1, 2).reshape(len(x), -1, *x.shape[2:]))


class CoordAtt(nn.Module):
    """With the signature of the authors' class: the sigmoids are calls."""

    def __init__(self, inp: int, mip: int = 8) -> None:
        super().__init__()
        self.conv1, self.bn1, self.act = nn.Conv2d(inp, mip, 1), nn.BatchNorm2d(mip), nn.Hardswish()
        self.conv_h, self.conv_w = nn.Conv2d(mip, inp, 1), nn.Conv2d(mip, inp, 1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        pooled = torch.cat([x.mean(3, keepdim=True), x.mean(2, keepdim=True).permute(0, 1, 3, 2)], dim=2)
        h, w = self.act(self.bn1(self.conv1(pooled))).split([height, width], dim=2)
        return x * self.conv_w(w.permute(0, 1, 3, 2)).sigmoid() * torch.sigmoid(self.conv_h(h))


MODULES: dict[str, Callable[[], nn.Module]] = {
    "timm SE": lambda: layers.SEModule(C),
    "timm SE with norm": lambda: layers.SEModule(C, norm_layer=nn.BatchNorm2d, gate_layer="hard_sigmoid"),
    "timm efficientnet SE": lambda: SqueezeExcite(C, act_layer=nn.SiLU),
    "timm legacy SE": lambda: LegacySE(C, 8),
    "torchvision SE": lambda: SqueezeExcitation(C, 8, nn.SiLU, nn.Hardsigmoid),
    "pytorchcv SE": lambda: SEBlock(C),
    "pytorchcv SE linear": lambda: SEBlock(C, use_conv=False),
    "timm eSE": lambda: layers.EffectiveSEModule(C),
    "timm ECA": lambda: layers.EcaModule(C),
    "timm circular ECA": lambda: layers.CecaModule(C),
    "timm CBAM": lambda: CbamModule(C),
    "timm light CBAM": lambda: LightCbamModule(C),
    "pytorchcv CBAM": lambda: CbamBlock(C),
    "pytorchcv BAM": lambda: BamBlock(C),
    "smp scSE": lambda: SCSEModule(C),
    "timm SK": lambda: layers.SelectiveKernel(C, split_input=False),
    "timm SK split": lambda: layers.SelectiveKernel(C, 2 * C, stride=2),
    "pytorchcv SK": lambda: SKConvBlock(C, 2 * C, 1, groups=8),
    "timm split attention": lambda: layers.SplitAttn(C, 2 * C, norm_layer=nn.BatchNorm2d),
    "timm split attention, groups": lambda: layers.SplitAttn(C, groups=2, norm_layer=nn.BatchNorm2d),
    "timm split attention, one": lambda: layers.SplitAttn(C, radix=1, norm_layer=nn.BatchNorm2d),
    "timm GC additive": lambda: layers.GlobalContext(C, fuse_add=True, fuse_scale=False),
    "timm GC scaling": lambda: layers.GlobalContext(C),
    "timm GC both": lambda: layers.GlobalContext(C, fuse_add=True),
    "timm GC mean": lambda: layers.GlobalContext(C, use_attn=False),
    "timm Non-Local": lambda: NonLocalAttn(C),
    "timm Non-Local unscaled": lambda: NonLocalAttn(C, use_scale=False),
    "timm BAT": lambda: BatNonLocalAttn(C, block_size=4),
    "timm CoordAttn": lambda: CoordAttn(C),
    "timm CoordAttn skip": lambda: CoordAttn(C, has_skip=True),
    "timm SimpleCoordAttn": lambda: SimpleCoordAttn(C),
    "timm ELA": lambda: EfficientLocalAttn(C),
    "timm StripAttn": lambda: StripAttn(C),
    "timm StripAttn skip": lambda: StripAttn(C, use_conv=False, has_skip=True),
    "timm self-attention": lambda: BottleneckAttn(C, feat_size=(16, 16), num_heads=2),
    "timm self-attention, stride": lambda: BottleneckAttn(C, 2 * C, feat_size=(16, 16), stride=2, scale_pos_embed=True),
    "timm halo attention": lambda: HaloAttn(C, num_heads=2, block_size=4, halo_size=2),
    "timm halo attention, stride": lambda: HaloAttn(C, 2 * C, num_heads=4, stride=2, scale_pos_embed=True),
    "timm halo attention, mean": lambda: HaloAttn(C, num_heads=2, block_size=8, stride=2, avg_down=True, qkv_bias=True),
    "timm lambda": lambda: LambdaLayer(C, num_heads=4, r=5),
    "timm lambda, relative places": lambda: LambdaLayer(C, feat_size=(16, 16), r=None, stride=2),
    "authors' CoordAtt": lambda: CoordAtt(C),
    **{
        f"mmcv {mode}{' sub-sampled' if pooled else ''}": lambda mode=mode, pooled=pooled: NonLocal2d(
            C, mode, sub_sample=pooled
        )
        for mode in ("embedded_gaussian", "gaussian", "dot_product", "concatenation")
        for pooled in (False, True)
    },
    "mmcv unscaled": lambda: NonLocal2d(C, "embedded_gaussian", use_scale=False),
}


def lively(model: nn.Module, seed: int = 0) -> nn.Module:
    """Weights under which attention varies: what is zero or one at the start is drawn, and running statistics too."""
    generator = torch.Generator().manual_seed(seed_for_run(seed))
    for module in model.modules():
        for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            if not tensor.is_floating_point():
                continue
            with torch.no_grad():
                if name == "running_var" or (name == "weight" and tensor.dim() == 1):
                    tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
                elif tensor.dim() == 1:
                    tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.3)
                else:
                    fan = tensor[0].numel()
                    tensor.copy_(torch.randn(tensor.shape, generator=generator) * (2 / fan) ** 0.5)
    return model.eval()


def features(channels: int = C, side: int = 16, seed: int = 0) -> Tensor:
    """Features as a network has them: some channels strong, some places strong, half of it zero."""
    generator = torch.Generator().manual_seed(seed_for_run(seed))
    gain = torch.rand(1, channels, 1, 1, generator=generator) * 3
    place = F.interpolate(torch.rand(1, 1, 4, 4, generator=generator) * 2, size=side, mode="bilinear")
    return (torch.randn(1, channels, side, side, generator=generator) * gain * place).relu()
