"""Wave propagation: frequency domain (`helmholtz`) and time domain (`acoustic`).

Both have axes x, depth; lengths in km, times in s, velocities in km/s, squared slowness in s²/km²;
and sources δ_s / h²: a unit point source, whatever the spacing h. (m ∂²/∂t² − Δ) u = −f(t) δ_s / h²
in the time domain and (ω² m + Δ) û = δ_s / h² in the frequency domain, û = ∫ u exp(iωt) dt / f̂(ω).
"""

from rote.core import extras

extras.require("rote.waves")

__all__ = ["acoustic", "helmholtz", "limits", "multifrontal"]
