"""Forward operators of wave propagation: frequency domain (`helmholtz`) and time domain
(`acoustic`).
"""
