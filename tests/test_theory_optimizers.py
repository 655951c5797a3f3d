"""Our optimisers beside slow twins written by hand, torch's by name beside torch's own, and what is refused."""

import math
from collections.abc import Iterable, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from theory.losses import npo
from theory.optimizers.named import OURS, built, made, maker_of, mistake, names, takes_options
from theory.optimizers.sam import SAM, LooksNearby
from theory.optimizers.sign_descent import SignDescent
from theory.optimizers.sophia import Sophia

numbers = st.floats(-10, 10, allow_nan=False, width=32)
gradients = st.lists(st.lists(numbers, min_size=3, max_size=3), min_size=1, max_size=5)
fast = settings(max_examples=30, deadline=None)


def after(optimizer_of: object, steps: Iterable[Sequence[float]], **options: object) -> list[float]:
    """Three numbers that start as 1, -2, 3, after a step along each gradient."""
    theta = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    optimizer = optimizer_of([theta], **options)
    for gradient in steps:
        theta.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
    return theta.tolist()


# --- sign descent -------------------------------------------------------------------------------------------------


@fast
@given(steps=gradients)
def test_sign_descent_is_plain_descent_on_signs(steps: list[list[float]]) -> None:
    signs = [[float((g > 0) - (g < 0)) for g in gradient] for gradient in steps]
    ours = after(SignDescent, steps, lr=0.1)
    assert ours == pytest.approx(after(torch.optim.SGD, signs, lr=0.1), abs=1e-12)
    scaled = [[1e-20 * g for g in gradient] for gradient in steps]
    assert after(SignDescent, scaled, lr=0.1) == ours


def test_sign_descent_is_rprop_of_one_step_size() -> None:
    steps = [[0.3, -2.0, 1e-6], [0.1, -1.0, 5.0]]
    theirs = after(torch.optim.Rprop, steps, lr=0.1, etas=(0.999999999, 1.0000000001), step_sizes=(0.1, 0.1))
    assert after(SignDescent, steps, lr=0.1) == pytest.approx(theirs, abs=1e-12)


def test_its_weight_decay_is_decoupled_and_zero_moves_nothing() -> None:
    assert after(SignDescent, [[0.0, 0.0, 0.0]], lr=0.1) == [1.0, -2.0, 3.0]
    assert after(SignDescent, [[0.0, 0.0, 0.0]], lr=0.1, weight_decay=0.5) == pytest.approx([0.95, -1.9, 2.85])


# --- Sophia -------------------------------------------------------------------------------------------------------


def slow_sophia(steps: Sequence[Sequence[float]], *, lr: float, rho: float, bs: float, weight_decay: float) -> list:
    """Number by number, as the docstring has it, with the momentum's two moves as one."""
    found = []
    beta1, beta2 = 0.965**2, 0.99
    for theta, column in zip((1.0, -2.0, 3.0), zip(*steps, strict=True), strict=True):
        momentum = curvature = 0.0
        for g in column:
            curvature = beta2 * curvature + (1 - beta2) * g * g
            momentum = beta1 * momentum + (1 - beta1) * g
            ratio = min(abs(momentum) / (rho * bs * curvature + 1e-15), 1)
            theta = (1 - lr * weight_decay) * theta - lr * ratio * math.copysign(1, momentum)
        found.append(theta)
    return found


@fast
@given(steps=gradients, bs=st.sampled_from([1e-3, 1.0, 5120.0]))
def test_sophia_is_its_slow_twin(steps: list[list[float]], bs: float) -> None:
    chosen = {"lr": 0.1, "rho": 0.04, "weight_decay": 0.1, "bs": bs}
    steps = [[g + 0.01 for g in gradient] for gradient in steps]  # no momentum of exactly 0, which has no sign
    assert after(Sophia, steps, **chosen) == pytest.approx(slow_sophia(steps, **chosen), abs=1e-9)


def test_no_step_of_sophia_is_longer_than_lr_and_a_fading_gradient_takes_longer_ones() -> None:
    def first_step(g: float) -> float:
        return 1.0 - after(Sophia, [[g, 0, 0]], lr=0.1, weight_decay=0.0)[0]

    assert first_step(1e-6) == pytest.approx(0.1)
    assert first_step(1e-6) > first_step(1.0) > first_step(10.0) > 0


# --- SAM ----------------------------------------------------------------------------------------------------------


def sam_step(theta: Tensor, optimizer: SAM, forget: object, retain: object) -> None:
    """A step as a trainer takes it."""
    forget(theta).backward()
    optimizer.perturb()
    assert theta.grad is None
    forget(theta).backward()
    optimizer.restore()
    retain(theta).backward()
    optimizer.step()
    optimizer.zero_grad()


@fast
@given(rho=st.floats(0, 2), start=st.tuples(numbers, numbers).filter(lambda x: math.hypot(*x) > 1e-3))
def test_sam_on_a_quadratic_is_done_by_hand(rho: float, start: tuple[float, float]) -> None:
    """∇(‖θ‖²/2) = θ, so the gradient at θ + ε is (1 + ρ/‖θ‖) θ; the retain gradient is that at θ."""
    theta = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    before = theta.detach().clone()
    sam = SAM([theta], lr=0.1, rho=rho, base=torch.optim.SGD)
    sam_step(theta, sam, lambda x: x.square().sum() / 2, lambda x: 3 * x.square().sum() / 2)
    by_hand = before - 0.1 * ((1 + rho / before.norm()) + 3) * before
    torch.testing.assert_close(theta.detach(), by_hand)


def test_sam_on_a_linear_model_shifts_the_margin_by_rho_times_the_norm_of_the_input() -> None:
    """The weight of ∇ log π under NPO at θ + ε is that of a model whose margin is ρ‖x‖ further on the way."""
    x, rho = torch.tensor([0.6, -0.8, 2.0], dtype=torch.float64), 0.3
    theta = torch.tensor([1.0, 0.5, 2.0], dtype=torch.float64, requires_grad=True)

    def forget(weights: Tensor) -> Tensor:
        return npo(torch.nn.functional.logsigmoid(weights @ x)[None], torch.tensor([-0.1]), beta=0.5).sum()

    sam = SAM([theta], lr=1.0, rho=rho, base=torch.optim.SGD)
    shifted = (theta.detach() + rho * x / x.norm()).requires_grad_()  # the loss rises with the margin: ε is along x
    (expected,) = torch.autograd.grad(forget(shifted), shifted)
    before = theta.detach().clone()
    sam_step(theta, sam, forget, lambda weights: 0 * weights.sum())
    torch.testing.assert_close(before - theta.detach(), expected)
    margin = float(shifted.detach() @ x - before @ x)
    assert margin == pytest.approx(rho * float(x.norm()))


def test_sam_comes_back_to_the_bit_over_all_parameters_together() -> None:
    theta = [torch.tensor([0.1, 1e-8]), torch.tensor([[1e8]]), torch.tensor([7.0])]
    theta[0].grad, theta[1].grad = torch.tensor([3.0, 0.0]), torch.tensor([[4.0]])  # the third is not trained now
    before = [p.clone() for p in theta]
    sam = SAM(theta, rho=5.0)
    sam.perturb()
    torch.testing.assert_close(theta[0], torch.tensor([3.1, 1e-8]))  # 5 · 3/‖(3, 4)‖
    assert theta[2].equal(before[2])
    sam.restore()
    assert all(p.equal(b) for p, b in zip(theta, before, strict=True))


def test_where_the_forget_gradient_is_nothing_sam_stays() -> None:
    theta = torch.tensor([1.0, 2.0])
    theta.grad = torch.zeros(2)
    sam = SAM([theta], rho=0.5)
    sam.perturb()
    assert theta.equal(torch.tensor([1.0, 2.0]))
    SAM([torch.zeros(2)]).perturb()  # no gradient at all


def test_sam_is_its_base_where_rho_is_zero_and_shares_its_memory_and_step_size() -> None:
    theta, other = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    sam, adam = made("SAM", [theta], lr=0.1, rho=0.0, base="adam", betas=[0.5, 0.6]), None
    adam = torch.optim.Adam([other], lr=0.1, betas=(0.5, 0.6))
    for lr in (0.1, 0.3):
        for optimizer in (sam, adam):
            optimizer.param_groups[0]["lr"] = lr
        sam_step(theta, sam, lambda x: x.square().sum(), lambda x: x.sum())
        (other.square().sum() + other.sum()).backward()
        adam.step()
        adam.zero_grad()
    assert theta.equal(other)
    assert {key: value.tolist() for key, value in sam.state[theta].items()} == {
        key: value.tolist() for key, value in adam.state[other].items()
    }
    again = made("SAM", [theta], base="adam")
    again.load_state_dict(sam.state_dict())
    assert again.state is again.base.state
    assert again.param_groups is again.base.param_groups
    assert again.param_groups[0]["lr"] == 0.3


# --- by name ------------------------------------------------------------------------------------------------------

TORCH = {
    "sgd": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    "ADAM": (torch.optim.Adam, {"betas": [0.5, 0.9], "amsgrad": True}),
    "AdamW": (torch.optim.AdamW, {"eps": 1e-3}),
    "nadam": (torch.optim.NAdam, {"momentum_decay": 0.1}),
    "Adagrad": (torch.optim.Adagrad, {"lr_decay": 0.1}),
    "rms-prop": (torch.optim.RMSprop, {"centered": True}),
    "Adafactor": (torch.optim.Adafactor, {"d": 2}),
}


@pytest.mark.parametrize("name", TORCH)
def test_torch_s_by_name_is_torch_s(name: str) -> None:
    kind, options = TORCH[name]
    steps = [[0.3, -2.0, 1e-6], [0.1, 1.0, 5.0], [-0.1, 1.0, 0.0]]

    def by_name(parameters: list[Tensor], **given: object) -> torch.optim.Optimizer:
        return made(name, parameters, **given)

    usual = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    assert after(by_name, steps, lr=0.1, **options) == after(kind, steps, lr=0.1, **usual)


def test_every_name_that_is_told_is_made_or_says_why_not() -> None:
    assert {kind.__name__ for kind in OURS} < set(names())
    assert "LBFGS" not in names()
    refused = {name: said for name in names() if (said := mistake(name, lr=0.1))}
    assert refused.keys() <= {"Muon", "SparseAdam"}
    assert "dense gradients" in refused["SparseAdam"]
    assert "2D" in refused.get("Muon", "2D")  # newer torch alone has it


REFUSED = {
    "no name": ("Sofia", {}, "there is no optimizer Sofia: did you mean Sophia"),
    "a name like none": ("xyz", {}, "there are "),
    "the loss again": ("lbfgs", {}, "LBFGS asks for the loss again within a step"),
    "of a base too": ("SAM", {"base": "lbfgs"}, "LBFGS asks for the loss again within a step"),
    "no base": ("SAM", {"base": "Addam"}, "there is no optimizer Addam: did you mean"),
    "a base like itself": ("SAM", {"base": "sam"}, "SAM can't be put on SAM"),
    "no option": ("SGD", {"betas": [0.9, 0.9]}, "SGD has no option betas: it takes lr, momentum"),
    "a slip": ("sign_descent", {"weightdecay": 1}, "SignDescent has no option weightdecay: did you mean weight_decay"),
    "no option of the base": ("SAM", {"base": "SGD", "amsgrad": True}, "SAM has no option amsgrad: it takes lr, rho"),
    "several": (
        "AdamW",
        {"a": 1, "eps": "x", "betas": 3},
        "has no option a.*eps must be a number.*betas must be a list",
    ),
    "text in a list": ("AdamW", {"betas": ["x", 0.9]}, "betas must be a list of 2 numbers"),
    "no yes or no": ("Adam", {"amsgrad": 1}, "amsgrad must be true or false, got 1"),
    "no number": ("Sophia", {"rho": True}, "rho must be a number, got True"),
    "the library's words": ("AdamW", {"betas": [2, 0.9]}, r"AdamW with .*: Invalid beta parameter at index 0: 2"),
    "ours": (
        "Sophia",
        {"rho": -1, "betas": [0.9, 1.5]},
        r"rho must be a finite number ≥ 0, got -1.0; betas must be from 0",
    ),
    "not finite": ("SAM", {"rho": math.inf}, "rho must be a finite number ≥ 0, got inf"),
    "options at odds": ("SGD", {"nesterov": True}, "Nesterov momentum requires a momentum"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_told(case: str) -> None:
    name, options, said = REFUSED[case]
    with pytest.raises(ValueError, match=said):
        raise ValueError(mistake(name, lr=0.1, **options))


def test_what_makes_an_optimizer_may_be_a_function_of_one_s_own() -> None:
    def mine(params: Iterable[Tensor], lr: float, decay: float = 0.5) -> torch.optim.Optimizer:
        return torch.optim.SGD(params, lr=lr, weight_decay=decay)

    assert takes_options(mine) == ("lr", "decay")
    assert built(mine, [torch.zeros(2)], lr=0.1, decay=0.2).defaults["weight_decay"] == 0.2
    with pytest.raises(ValueError, match=r"mine has no option dekay: did you mean decay"):
        built(mine, [torch.zeros(2)], lr=0.1, dekay=0.2)
    assert built(SAM, [torch.zeros(2)], base=mine, decay=0.2).defaults["weight_decay"] == 0.2


def test_who_looks_nearby_says_so_by_what_it_can() -> None:
    assert [kind.__name__ for kind in OURS if issubclass(kind, LooksNearby)] == ["SAM"]
    assert not isinstance(torch.optim.SGD([torch.zeros(2)]), LooksNearby)
    assert maker_of("sam") is SAM
