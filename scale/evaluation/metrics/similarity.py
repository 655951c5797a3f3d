"""How alike two models' hidden states are, and how far a model's have gone from the finetuned to the retrained one's.

    CKA(X, Y)  = ‖Yᵀ X‖² / (‖Xᵀ X‖ ‖Yᵀ Y‖)        Frobenius norms, the columns of X and Y centred; 1: one is the other
                                                 turned, scaled and moved
    erasure    = Σ_k clip(c_k − f_k, 0, 1 − f_k) / Σ_k (1 − f_k)

over blocks k, with c_k and f_k the CKA of the model's and of the finetuned model's states with the retrained model's.
Blocks in which finetuned and retrained model are alike have no weight. With fewer places than the states are wide any
two models look alike: read it of many words only.

Sources: arXiv:1905.00414, Sec. 3 (linear CKA); arXiv:2605.24614, whose code (fc31639) adds 10⁻⁸ to 1 − f_k.
"""

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["cka_erasure", "jackknifed", "linear_cka", "linear_cka_without"]


def linear_cka(one: ArrayLike, other: ArrayLike) -> float:
    """CKA of two models' states at the same places, (places, width) each, in float64; NaN where all are the same.

    ValueError where they are not of the same places.

    >>> states = np.array([[0.0, 1.0], [2.0, 0.0], [1.0, 4.0]])
    >>> round(linear_cka(states, 3 * states[:, ::-1] + 7), 12)
    1.0
    """
    x, y = (np.asarray(states, dtype=np.float64) for states in (one, other))
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y):
        raise ValueError(f"states are (places, width) of the same places, not {x.shape} and {y.shape}.")
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    return _ratio(y.T @ x, x.T @ x, y.T @ y)


def _ratio(across: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    norms = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float((across**2).sum()) / norms if norms > 0 else float("nan")


def linear_cka_without(one: ArrayLike, other: ArrayLike, owner: ArrayLike) -> np.ndarray:
    """CKA without the places of each owner in turn, (owners,); `owner` says whose each place is, from 0 on.

    Taken from the sums of all: an owner's own part is subtracted, and the rest centred anew.

    >>> x, y = np.array([[1.0], [3.0], [4.0], [9.0]]), np.array([[2.0], [1.0], [5.0], [5.0]])
    >>> bool(np.isclose(linear_cka_without(x, y, [0, 0, 1, 2])[2], linear_cka(x[:3], y[:3])))
    True
    """
    whose = np.asarray(owner)
    x, y = (np.asarray(states, dtype=np.float64) for states in (one, other))
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    pairs = ((y, x), (x, x), (y, y))
    whole = [a.T @ b for a, b in pairs]

    def without(number: int) -> float:
        own = whose == number
        rest = (~own).sum()
        if not rest:
            return float("nan")
        # what is left over is centred by its own mean: its sums are minus those of what goes, as all add up to 0
        parts = [
            total - a[own].T @ b[own] - np.outer(a[own].sum(axis=0), b[own].sum(axis=0)) / rest
            for total, (a, b) in zip(whole, pairs, strict=True)
        ]
        return _ratio(*parts)

    return np.array([without(number) for number in range(int(whose.max(initial=-1)) + 1)])


def cka_erasure(model: ArrayLike, finetuned: ArrayLike) -> np.ndarray:
    """Erasure from the CKA by block of a model and of the finetuned one with the retrained one, (…, blocks); (…,).

    1: as near to the retrained model as it is to itself; 0: no nearer than the finetuned one. NaN where finetuned and
    retrained model are alike in every block; blocks that are NaN do not count.

    >>> cka_erasure([0.9, 0.5], [0.5, 0.5]), cka_erasure([1.0, 1.0], [1.0, 1.0])
    (array(0.4), array(nan))
    """
    mine, theirs = np.broadcast_arrays(np.asarray(model, dtype=np.float64), np.asarray(finetuned, dtype=np.float64))
    there = np.isfinite(mine) & np.isfinite(theirs)
    room = np.where(there, np.maximum(1 - theirs, 0), 0.0)
    gone = np.where(there, np.clip(mine - theirs, 0, room), 0.0).sum(axis=-1)
    whole = room.sum(axis=-1)
    return np.where(whole > 1e-12, gone / np.where(whole > 1e-12, whole, 1.0), np.nan)


def jackknifed(whole: float, without: ArrayLike) -> np.ndarray:
    """One value a question whose mean is a score of the whole set, from the score without each question, (questions,).

    v_i = s + (n − 1)(mean_j s₋ⱼ − s₋ᵢ): their spread over √n is the jackknife's standard error of s, so that a
    bootstrap over questions has something to draw.  Source: Efron and Stein, Ann. Statist. 9 (1981), 586–596.

    >>> values = np.array([1.0, 2.0, 6.0])
    >>> jackknifed(values.mean(), [4.0, 3.5, 1.5]).round(12).tolist()
    [1.0, 2.0, 6.0]
    """
    left = np.asarray(without, dtype=np.float64)
    return whole + (len(left) - 1) * (left.mean() - left)
