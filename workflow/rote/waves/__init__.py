"""Wave propagation: frequency domain (`helmholtz`) and time domain (`acoustic`)."""

__all__ = ["acoustic", "helmholtz", "multifrontal"]
