"""Networks: stacks of many small ones, pretrained language models, and their kernels."""
