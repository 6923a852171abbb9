"""Domains of `rote.theory.capacity`."""

from rote.core.domains import Domain

_SIZES = "N ≥ 1; H in (0, 1000] bits; C ≥ 0 bits; all finite"
DOMAINS = [
    Domain(
        "rote.theory.capacity.accuracy_limit",
        f"{_SIZES}; frequencies ≥ 0, not all 0",
        "1e-9 relative",
        "Blahut-Arimoto; the rate in 400 digits on both sides of the limit",
        "below 1 ms for a thousand limits; with frequencies 40 rates of all facts",
    ),
    Domain(
        "rote.theory.capacity.whole_facts", _SIZES, "1e-15 relative", "a closed form", "a quotient"
    ),
    Domain(
        "rote.theory.capacity.water_filling",
        "frequencies ≥ 0, not all 0; H in (0, 1000] bits; C ≥ 0 bits",
        "Σ R = C to 1e-9 relative, as far as the digits of q tell it (of C > 1e-7 H)",
        "a generic constrained optimizer; the rates in 400 digits at frequencies 1e-300 to 1",
        "some 40 rates of all facts",
    ),
    Domain(
        "rote.theory.capacity.rate",
        "accuracy in [0, 1]; H in (0, 1000] bits",
        "1e-13 (1 + H) bits absolute",
        "Blahut-Arimoto; 400 digits",
        "four logarithms",
    ),
    Domain(
        "rote.theory.capacity.spread_accuracy",
        "any finite bits, clipped to [0, H]; H in (0, 1000]",
        "1e-13 relative",
        "a closed form",
        "a power",
    ),
]
