import pandas as pd
from rote import prune

losses = pd.DataFrame({"id": ["a", "b", "c", "d"], "loss": [0.1, 3.0, 0.2, 2.0]})
chosen = prune.table(losses, keep=0.5, scheme="loss")  # keep=None finds the share itself
print(chosen.to_string(index=False))
# > id  loss  count
# >  a   0.1      1
# >  c   0.2      1
