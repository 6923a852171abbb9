"""The house style: colours that are colour-blind safe, type sizes, and what all figures share."""

# seaborn's "colorblind" (Waskom, 2021), as red, green, blue in 0 to 1
PALETTE = [
    (1 / 255, 115 / 255, 178 / 255),
    (222 / 255, 143 / 255, 5 / 255),
    (2 / 255, 158 / 255, 115 / 255),
    (213 / 255, 94 / 255, 0.0),
    (204 / 255, 120 / 255, 188 / 255),
    (202 / 255, 145 / 255, 97 / 255),
    (251 / 255, 175 / 255, 228 / 255),
    (148 / 255, 148 / 255, 148 / 255),
    (236 / 255, 225 / 255, 51 / 255),
    (86 / 255, 180 / 255, 233 / 255),
]
INK, FAINT = "#222222", "#888888"
STYLE = {
    "figure.dpi": 110,
    "savefig.dpi": 200,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.labelcolor": INK,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "pdf.fonttype": 42,
    "svg.hashsalt": "rote",
}
