import numpy as np
import torch
from rote.waves import acoustic

survey = acoustic.Survey(
    spacing=0.02,
    step=0.002,
    samples=300,
    frequency=3.0,
    sources=np.array([[10, 5]]),
    receivers=np.array([[20, 5], [40, 5]]),
)
traces = acoustic.leapfrog(torch.full((60, 40), 2.0), survey)  # velocity of 2 km/s everywhere
arrival = traces[0].abs().argmax(dim=-1) * survey.step
print("largest pressure after", [round(float(time), 2) for time in arrival], "s")
# > largest pressure after [0.28, 0.48] s
