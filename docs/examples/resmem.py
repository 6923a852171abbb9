from rote.resmem import ResMemClassifier
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

X, y = load_digits(return_X_y=True)
base = LogisticRegression(max_iter=5000).fit(X[:800], y[:800])  # any fitted classifier
model = ResMemClassifier(base).fit(X[:800], y[:800]).tune(X[800:1100], y[800:1100])
print(f"test accuracy {base.score(X[1100:], y[1100:]):.3f}, with a memory", end=" ")
print(f"{model.score(X[1100:], y[1100:]):.3f}")
# > test accuracy 0.918, with a memory 0.960
