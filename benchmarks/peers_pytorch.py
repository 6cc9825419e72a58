"""The side of PyTorch in `peers.py`, which calls it with the Python of its own environment.

It gets one job as JSON, measures it in one thread, and prints what it found as JSON. Nothing of
this repository is imported, nor needed. The networks are those of torchvision, with the top that
ours have: VGG16's is two dense layers of 2048 units behind the mean over the image.
"""

import json
import os
import sys

import numpy as np
import torch
import torchvision
from torch import nn

CLASSES = 10


class VGG16(nn.Module):
    """The convolutions of torchvision's VGG16 with the smaller top."""

    def __init__(self) -> None:
        super().__init__()
        self.features = torchvision.models.vgg16().features
        layers: list[nn.Module] = []
        for inputs, units in ((512, 2048), (2048, 2048)):
            layers += [nn.Linear(inputs, units), nn.ReLU(), nn.Dropout(0.5)]
        self.top = nn.Sequential(*layers, nn.Linear(2048, CLASSES))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Give the logits (batch, classes)."""
        return self.top(self.features(pixels).mean(dim=(2, 3)))


def network(name: str) -> nn.Module:
    """Build a network with random weights; its maps lie in memory as convolutions want them."""
    torch.manual_seed(0)
    if name == "VGG16":
        built: nn.Module = VGG16()
    else:
        built = getattr(torchvision.models, name.lower())(num_classes=CLASSES)
    return built.to(memory_format=torch.channels_last)


def pixels(count: int) -> torch.Tensor:
    """Make standardised pixels of noise."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((count, 3, 64, 64), dtype=np.float32)
    return torch.from_numpy(images).to(memory_format=torch.channels_last)


def training_step(job):
    """Make the function of a step: AdamW, gradients clipped, as the training scripts do."""
    model = network(job["network"]).train()
    by = torch.compile(model) if job["by"] == "torch.compile" else model
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, weight_decay=0.02, fused=True)
    images = pixels(job["batch_size"])
    labels = torch.arange(job["batch_size"]) % CLASSES
    is_bfloat16 = job["precision"] == "bfloat16"

    def step():
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=is_bfloat16):
            logits = by(images)
        loss = nn.functional.cross_entropy(logits.float(), labels)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return float(loss.detach())

    return step


def prediction(job):
    """Make the function that predicts a batch, by PyTorch or ONNX Runtime."""
    model = network(job["network"]).eval()
    images = pixels(job["batch_size"])
    if job["by"] == "onnxruntime":
        return by_onnxruntime(model, images)
    if job["precision"] == "bfloat16":
        model = model.to(torch.bfloat16)
    by = torch.compile(model) if job["by"] == "torch.compile" else model
    kind = next(model.parameters()).dtype

    def predict():
        with torch.inference_mode():
            return by(images.to(kind)).float().softmax(dim=1).numpy()

    return predict


def by_onnxruntime(model, images):
    """Export the network to ONNX in memory, and let ONNX Runtime compute it in one thread."""
    import io

    import onnxruntime

    stream = io.BytesIO()
    torch.onnx.export(model, (images,), stream, dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(stream.getvalue(), options, providers=providers)
    feed = {session.get_inputs()[0].name: images.contiguous().numpy()}
    return lambda: session.run(None, feed)


def main() -> None:
    """Measure the job, and say how long the start and the later calls took."""
    job = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    call = training_step(job) if job["what"] == "training" else prediction(job)
    ends = []
    for _ in range(2 + job["calls"]):
        call()
        ends.append(sum(os.times()[:4]))  # with those of compilers that were called
    print(
        json.dumps(
            {
                "start": ends[1],
                "seconds": float(np.median(np.diff(ends[1:]))),
                "version": f"PyTorch {torch.__version__}",
            }
        )
    )


if __name__ == "__main__":
    main()
