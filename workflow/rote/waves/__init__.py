"""Wave propagation: frequency domain (`helmholtz`) and time domain (`acoustic`)."""
