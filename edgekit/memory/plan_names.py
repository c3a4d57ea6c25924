"""What memory plans are called."""

from __future__ import annotations

from typing import Final, Literal, get_args

TensorPlan = Literal["greedy", "offline", "overlap"]
"""Where tensors lie: by TFLite Micro's greedy planner, by a plan that lets none overlap, or by one that does."""
TENSOR_PLANS: Final[tuple[TensorPlan, ...]] = get_args(TensorPlan)

Plan = Literal[TensorPlan, "bands"]
"""How a network's memory is planned: ``bands`` are a change of the network too, planned as far as its kernels allow."""
PLANS: Final[tuple[Plan, ...]] = get_args(Plan)

PlanChoice = Literal["auto", Plan]
"""How far plans may go: up to one, or with ``auto`` as far as it takes to fit."""
PLAN_CHOICES: Final[tuple[PlanChoice, ...]] = get_args(PlanChoice)
