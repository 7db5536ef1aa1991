"""Training of all heads together, with Accelerate: one process or many, CPU or GPU, resumed after a kill."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import nn

from detect_icd10cm.model.modeling import DetectModel
from training.examples import Example, ExampleMaker, collate
from training.settings import JointSettings

Evaluate = Callable[[DetectModel], dict[str, float]]
# What early stopping and the choice of the best epoch look at.
METRIC = "span_f1"


@dataclass
class _Progress:
    """Where a run stands; saved with the state, so that a killed run goes on from its last epoch."""

    epoch: int = 0
    best: float = -math.inf
    best_epoch: int = -1

    def note(self, metrics: dict[str, float]) -> None:
        """Count an epoch, and remember the best."""
        if METRIC not in metrics or metrics[METRIC] > self.best:
            self.best, self.best_epoch = metrics.get(METRIC, -math.inf), self.epoch
        self.epoch += 1

    def state_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Examples of the first epochs and of the others, and the (term, code) pairs that are mixed in by weight."""

    first: Sequence[Example]
    rest: Sequence[Example]
    terms: Sequence[tuple[str, str]]
    term_weights: Sequence[float]


def train_joint(
    model: DetectModel,
    data: TrainingData,
    maker: ExampleMaker,
    settings: JointSettings,
    output: Path,
    seed: int,
    evaluate: Evaluate,
    after_first: Callable[[DetectModel], None] | None = None,
    report: Callable[[str], None] = print,
) -> list[dict[str, float]]:
    """Train a network in place and return the metrics of each epoch, which are also written to ``metrics.jsonl``.

    Args:
        model: The network.
        data: What it learns from.
        maker: Makes examples of lists of terms.
        settings: Epochs, rates, sizes.
        output: Folder of the run; ``state/`` in it is what a killed run goes on from.
        seed: Seed of all chance.
        evaluate: Measures the network on the development notes.
        after_first: Called once the epochs that leave notes out are over.
        report: Takes a line of progress.
    """
    set_seed(seed)
    accelerator = _make_accelerator(settings, output)
    steps = _count_steps(data, settings, accelerator.num_processes)
    optimizer = _make_optimizer(model, settings)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, _warm_then_linear(steps, settings.warmup))
    network, optimizer = accelerator.prepare(model, optimizer)
    progress = _Progress()
    accelerator.register_for_checkpointing(progress, scheduler)
    state = output / "state"
    if (state / "random_states_0.pkl").exists():
        accelerator.load_state(str(state))
        report(f"going on after epoch {progress.epoch}")
    history = _read_history(output) if progress.epoch else []
    while progress.epoch < settings.epochs:
        epoch = progress.epoch
        rng = random.Random(f"{seed} {epoch} {accelerator.process_index}")  # noqa: S311 - no secret
        pool = data.first if epoch < settings.held_out_epochs else data.rest
        model.freeze(thawed=epoch >= settings.thaw_after)
        losses = _run_epoch(
            accelerator, network, optimizer, scheduler, pool, data, maker, settings, rng, f"{seed} {epoch}"
        )
        if epoch + 1 == settings.held_out_epochs and after_first is not None:
            after_first(model)
        metrics = {"epoch": float(epoch), **losses, **evaluate(model)}
        history.append(metrics)
        if settings.tensorboard:
            accelerator.log(metrics, step=epoch)
        progress.note(metrics)
        if accelerator.is_main_process:
            _write_history(output, history)
            report(" ".join(f"{name} {value:.3f}" for name, value in metrics.items()))
        accelerator.save_state(str(state), safe_serialization=True)
        if progress.epoch > settings.held_out_epochs and epoch - progress.best_epoch >= settings.patience:
            report(f"no better for {settings.patience} epochs: stopped")
            break
    accelerator.end_training()
    return history


def _make_accelerator(settings: JointSettings, output: Path) -> Accelerator:
    accelerator = Accelerator(
        mixed_precision=settings.precision,
        gradient_accumulation_steps=settings.accumulation,
        log_with="tensorboard" if settings.tensorboard else None,
        project_dir=output,
    )
    if settings.tensorboard:
        accelerator.init_trackers("joint")
    return accelerator


def _run_epoch(
    accelerator: Accelerator, network: nn.Module, optimizer: Any, scheduler: Any, pool: Sequence[Example],
    data: TrainingData, maker: ExampleMaker, settings: JointSettings, rng: random.Random, order_seed: str,
) -> dict[str, float]:  # fmt: skip
    network.train()
    model = accelerator.unwrap_model(network)
    order = random.Random(order_seed).sample(range(len(pool)), len(pool))  # noqa: S311 - the same in all processes
    stride = settings.notes * accelerator.num_processes
    sums: dict[str, float] = {}
    n_steps = math.ceil(len(order) / stride)
    for step in range(n_steps):
        mine = order[step * stride : (step + 1) * stride][accelerator.process_index :: accelerator.num_processes]
        chosen = [pool[i] for i in mine or order[:1]]
        if settings.terms and data.terms:
            chosen.append(maker.from_terms(rng.choices(data.terms, data.term_weights, k=settings.terms)))
        batch = {name: t.to(accelerator.device) for name, t in collate(chosen, model.config).items()}
        with accelerator.accumulate(network):
            output = network(**batch)
            accelerator.backward(output.loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            if accelerator.sync_gradients:
                scheduler.step()
            optimizer.zero_grad()
        for name, value in output.losses.items():
            sums[name] = sums.get(name, 0.0) + value
    return {f"loss_{name}": value / n_steps for name, value in sums.items()}


def _make_optimizer(model: DetectModel, settings: JointSettings) -> torch.optim.Optimizer:
    encoder = list(model.encoder.parameters())
    known = {id(p) for p in encoder}
    heads = [p for p in model.parameters() if id(p) not in known]
    groups = [
        {"params": encoder, "lr": settings.learning_rate},
        {"params": heads, "lr": settings.head_learning_rate},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], weight_decay=settings.weight_decay)


def _count_steps(data: TrainingData, settings: JointSettings, n_processes: int) -> list[int]:
    """Return the steps before the lower layers are trained too, and after."""
    counts = [0, 0]
    for epoch in range(settings.epochs):
        pool = data.first if epoch < settings.held_out_epochs else data.rest
        steps = math.ceil(len(pool) / (settings.notes * n_processes))
        counts[epoch >= settings.thaw_after] += math.ceil(steps / settings.accumulation)
    return counts


def _warm_then_linear(stages: Sequence[int], warmup: float) -> Callable[[int], float]:
    """Return the factor of the learning rate at each step: up, then down, in each stage anew."""

    def factor(step: int) -> float:
        first = stages[0]
        size, at = (first, step) if step < first else (stages[1], step - first)
        warm = max(1.0, warmup * size)
        return min((at + 1) / warm, max(0.01, (size - at) / max(1, size)))

    return factor


def _read_history(output: Path) -> list[dict[str, float]]:
    path = output / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def _write_history(output: Path, history: Sequence[dict[str, float]]) -> None:
    output.mkdir(parents=True, exist_ok=True)
    (output / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in history), "utf-8")
