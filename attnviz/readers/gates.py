"""CBAM, BAM and scSE, as timm, pytorchcv and segmentation_models_pytorch have them."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from attnviz.mechanisms import BAM, CBAM, SCSE, Step
from attnviz.mechanisms.base import spread
from attnviz.readers.registry import reads, reads_like
from attnviz.readers.twin import Function, Twin, assemble, chain, vector


def _cbam(kind: type[CBAM], width: int, **layers: Any) -> CBAM:
    """A CBAM of other layers; its spatial convolution ends in BatchNorm, inside ``conv``."""
    made = assemble(lambda: kind(width, reduction=1), bn=nn.Identity(), **layers)
    assert isinstance(made, CBAM)
    return made


def _timm(kind: type[CBAM], module: Any, channel_gate: Any) -> CBAM:
    channel, spatial = module.channel, module.spatial
    return _cbam(
        kind,
        channel.fc1.in_channels,
        fc1=vector(channel.fc1),
        relu=vector(channel.act),
        fc2=vector(channel.fc2),
        channel_gate=channel_gate,
        conv=chain(spatial.conv),
        spatial_gate=chain(spatial.gate),
    )


@reads("timm.layers.cbam.CbamModule")
def timm_cbam(module: Any) -> Twin:
    """Timm's CBAM: the paper's, with BatchNorm on the spatial map."""
    made = _timm(CBAM, module, vector(module.channel.gate))
    return Twin(made, {"channel_gate": "channel.gate", "spatial_gate": "spatial.gate"})


class LightCBAM(CBAM):
    """CBAM whose halves squeeze once, with the mean of both poolings (timm's light variant)."""

    label = "Light CBAM"
    formula = (
        r"M_c(F) = \sigma(\mathrm{MLP}(\tfrac{1}{2}(\mathrm{AvgPool}\,F + \mathrm{MaxPool}\,F))),\quad F' = M_c(F) \otimes F,\quad "
        r"M_s(F') = \sigma(f^{7\times 7}(\tfrac{1}{2}(\mathrm{Avg}\,F' + \mathrm{Max}\,F'))),\quad F'' = M_s(F') \otimes F'"
    )

    def compute(self, x: Tensor) -> Iterator[Step]:
        z = (x.mean((2, 3)) + x.amax((2, 3))) / 2
        yield Step("squeeze", r"\mathbf{z} = \tfrac{1}{2}(\mathrm{AvgPool}\,F + \mathrm{MaxPool}\,F)", z)
        h = self.fc2(self.relu(self.fc1(z)))
        yield Step("mlp", r"\mathrm{MLP}(\mathbf{z})", h)
        c = self.channel_gate(h)
        yield Step("channel gate", r"M_c(F) = \sigma(\mathrm{MLP}(\mathbf{z}))", c)
        x = x * spread(c)
        yield Step("channel scale", r"F' = M_c(F) \otimes F", x)
        pooled = (x.mean(1, keepdim=True) + x.amax(1, keepdim=True)) / 2
        yield Step("spatial pool", r"\tfrac{1}{2}(\mathrm{Avg}\,F' + \mathrm{Max}\,F')", pooled)
        logit = self.conv(pooled)
        yield Step("conv", r"f^{k\times k}(\cdot)", logit)
        s = self.spatial_gate(logit)
        yield Step("spatial gate", r"M_s(F') = \sigma(f^{k\times k}(\cdot))", s)
        yield Step("spatial scale", r"F'' = M_s(F') \otimes F'", x * s)

    def equations(self) -> dict[str, str]:
        kept = super().equations()
        return {name: text for name, text in kept.items() if "scale" in name or name in ("conv", "spatial gate")} | {
            "squeeze": r"z_{<c>} = <squeeze>",
            "channel gate": r"M_c(F)_{<c>} = \sigma(<mlp>) = <channel gate>",
        }


@reads("timm.layers.cbam.LightCbamModule")
def timm_light_cbam(module: Any) -> Twin:
    """Its channel half ends in a sigmoid of its own and never calls the gate that it holds."""
    made = _timm(LightCBAM, module, Function(lambda h: h.sigmoid()))
    return Twin(made, {"spatial_gate": "spatial.gate"})


@reads("pytorchcv.models.cbamresnet.CbamBlock")
def pytorchcv_cbam(module: Any) -> Twin:
    """As the reference code: the maximum before the mean, and BatchNorm on the spatial map."""
    mlp, spatial = module.ch_gate.mlp, module.sp_gate
    made = _cbam(
        CBAM,
        mlp.fc1.in_features,
        fc1=chain(mlp.fc1),
        relu=chain(mlp.activ),
        fc2=chain(mlp.fc2),
        channel_gate=chain(module.ch_gate.sigmoid),
        conv=Function(lambda pooled: spatial.conv(pooled.flip(1))),
        spatial_gate=chain(spatial.sigmoid),
    )
    return Twin(made, {"channel_gate": "ch_gate.sigmoid", "spatial_gate": "sp_gate.sigmoid"})


@reads("pytorchcv.models.bamresnet.BamBlock")
def pytorchcv_bam(module: Any) -> Twin:
    """As the published code: the branches are multiplied, where the paper adds them."""
    part = module.get_submodule
    first = part("ch_att.init_fc.fc")
    made = assemble(
        lambda: BAM(int(first.weight.shape[1]), reduction=1, combine="product", norm="code"),
        channel=chain(part("ch_att.init_fc"), part("ch_att.main_fcs"), part("ch_att.final_fc")),
        spatial=chain(part("sp_att.init_conv"), part("sp_att.dil_convs"), part("sp_att.final_conv")),
        gate=chain(part("sigmoid")),
    )
    return Twin(made, {"channel": "ch_att.final_fc", "spatial": "sp_att.final_conv", "gate": "sigmoid"})


@reads_like("SCSEModule", "cSE", "sSE")
def smp_scse(module: Any) -> Twin:
    """segmentation_models_pytorch's: both halves are sequences that end in a sigmoid, and are added."""
    halves = [list(module.get_submodule(name)) for name in ("cSE", "sSE")]
    _, fc1, relu, fc2, cse = halves[0]
    conv, sse = halves[1]
    made = assemble(
        lambda: SCSE(int(fc1.weight.shape[1]), reduction=1),
        fc1=vector(fc1),
        relu=vector(relu),
        fc2=vector(fc2),
        cse=vector(cse),
        conv=chain(conv),
        sse=chain(sse),
    )
    return Twin(made, {"cse": "cSE", "sse": "sSE"})
