from rote import train

rate = train.cosine(100, warmup=10)
shares = [round(rate(step), 3) for step in (0, 10, 99)]
print("shares of the learning rate at steps 0, 10 and 99:", shares)
# > shares of the learning rate at steps 0, 10 and 99: [0.1, 0.976, 0.0]
