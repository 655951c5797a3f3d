"""The compiled twin of `synthetic.logistic.columns.step`: four rows and two columns at a time, slopes as they come by.

The two passes over the features (logits, then gradient) share one visit to each four rows, which stay in the nearest
cache; each feature that is loaded serves two columns. Needs numba, the extra `fast`.
"""

import math

import numba
import numpy as np

from synthetic.logistic.rows import Columns, SharedRows

__all__ = ["march"]

Array = np.ndarray
compiled = numba.njit(fastmath={"reassoc", "contract"}, error_model="numpy")  # NaN and ∞ keep their meaning


@compiled
def _softplus(z: float) -> float:
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))


@compiled
def _sigmoid(z: float) -> float:
    e = math.exp(-abs(z))
    return 1 / (1 + e) if z >= 0 else e / (1 + e)


@compiled
def _logits(H: Array, r: int, theta: Array, j: int, z: Array) -> None:
    """z[0:4, j:j+2] of rows r … r+3."""
    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = 0.0
    for k in range(H.shape[1]):
        t, u = theta[j, k], theta[j + 1, k]
        h0, h1, h2, h3 = H[r, k], H[r + 1, k], H[r + 2, k], H[r + 3, k]
        a0 += h0 * t
        a1 += h1 * t
        a2 += h2 * t
        a3 += h3 * t
        b0 += h0 * u
        b1 += h1 * u
        b2 += h2 * u
        b3 += h3 * u
    z[0, j], z[1, j], z[2, j], z[3, j] = a0, a1, a2, a3
    z[0, j + 1], z[1, j + 1], z[2, j + 1], z[3, j + 1] = b0, b1, b2, b3


@compiled
def _collect(H: Array, r: int, s: Array, j: int, gradient: Array) -> None:
    """Add Σ slope · features of four rows to the gradient of columns j and j+1."""
    a0, a1, a2, a3 = s[0, j], s[1, j], s[2, j], s[3, j]
    b0, b1, b2, b3 = s[0, j + 1], s[1, j + 1], s[2, j + 1], s[3, j + 1]
    for k in range(H.shape[1]):
        h0, h1, h2, h3 = H[r, k], H[r + 1, k], H[r + 2, k], H[r + 3, k]
        gradient[j, k] += a0 * h0 + a1 * h1 + a2 * h2 + a3 * h3
        gradient[j + 1, k] += b0 * h0 + b1 * h1 + b2 * h2 + b3 * h3


@compiled
def _forget_slopes(rows: SharedRows, c: Columns, r: int, start: Array, point: Array, z: Array) -> None:
    """Logits of four forget rows, overwritten by d loss / d logit."""
    for i in range(min(4, len(rows.y) - r)):
        y, y_idk, z_ref = rows.y[r + i], rows.y_idk[r + i], rows.z_ref[r + i]
        for j in range(z.shape[1]):
            g, h, at = c.lose[j] * y - c.win[j] * y_idk, c.lose[j] - c.win[j], z[i, j]
            slope = c.forget[j] * (g - h * _sigmoid(at))
            if c.beta[j] != 0.0:
                rise = g * (at - z_ref)
                if h != 0.0:
                    rise -= h * (_softplus(at) - start[r + i])
                slope *= 2 * _sigmoid(c.beta[j] * (rise - c.kl[j] * point[j]))
            z[i, j] = slope


@compiled
def _retain_slopes(rows: SharedRows, c: Columns, r: int, kept: int, z: Array) -> None:
    for i in range(min(4, len(rows.y_retain) - r)):
        y, p_ref = rows.y_retain[r + i], rows.p_ref[r + i]
        for j in range(kept):
            labels, reference = c.labels[j], c.reference[j]
            z[i, j] = (labels + reference) * _sigmoid(z[i, j]) - labels * y - reference * p_ref


@compiled
def _mean_kl(rows: SharedRows, start: Array, theta: Array) -> float:
    """E KL(π_θ ‖ π_ref) on the forget inputs, of one column."""
    total = 0.0
    for i in range(len(rows.y)):
        z = 0.0
        for k in range(len(theta)):
            z += rows.H_forget[i, k] * theta[k]
        total += max(_sigmoid(z) * (z - rows.z_ref[i]) + start[i] - _softplus(z), 0.0)
    return total / len(rows.y)


@compiled
def _march(rows: SharedRows, c: Columns, H_forget: Array, H_retain: Array, theta: Array, kept: int, steps: int) -> None:
    """`steps` steps in place. Rows of H come in fours, columns in pairs, those with a retain term (`kept`) first."""
    z, gradient = np.zeros((4, len(theta))), np.zeros_like(theta)
    start, point = np.array([_softplus(z_ref) for z_ref in rows.z_ref]), np.zeros(len(theta))
    for _ in range(steps):
        gradient[:] = 0.0
        for j in range(len(theta)):
            if c.kl[j] != 0.0:
                point[j] = _mean_kl(rows, start, theta[j])
        for r in range(0, len(H_forget), 4):
            for j in range(0, len(theta), 2):
                _logits(H_forget, r, theta, j, z)
            _forget_slopes(rows, c, r, start, point, z)
            for j in range(0, len(theta), 2):
                _collect(H_forget, r, z, j, gradient)
        for r in range(0, len(H_retain), 4):
            for j in range(0, kept, 2):
                _logits(H_retain, r, theta, j, z)
            _retain_slopes(rows, c, r, kept, z)
            for j in range(0, kept, 2):
                _collect(H_retain, r, z, j, gradient)
        for j in range(len(theta)):
            for k in range(theta.shape[1]):
                theta[j, k] -= c.lr[j] * gradient[j, k]


def _filled(x: Array, multiple: int) -> Array:
    """x with zeros below, up to a multiple of rows: they add nothing to any gradient."""
    return np.ascontiguousarray(np.pad(x, [(0, -len(x) % multiple), *[(0, 0)] * (x.ndim - 1)]))


def march(rows: SharedRows, columns: Columns, theta: Array, steps: int) -> Array:
    """θ (M, N) after so many steps of `synthetic.logistic.columns.step`."""
    retained = columns.labels + columns.reference != 0
    order = np.argsort(~retained, kind="stable")
    kept = 2 * ((int(retained.sum()) + 1) // 2)
    ordered = type(columns)(*(_filled(numbers[order], 2) for numbers in columns))
    moved = _filled(theta[order], 2)
    _march(rows, ordered, _filled(rows.H_forget, 4), _filled(rows.H_retain, 4), moved, kept, steps)
    found = np.empty_like(theta)
    found[order] = moved[: len(order)]
    return found
