"""Smaller and quicker models: candidates made of a model, measured beside each other, one of them picked or none.

given.py      the model as it lies there: file, card, inputs, outputs, task
samples.py    rows to calibrate with and to judge by
recipes.py    the table of what can be made, in which order
int8.py, halves.py, sparse.py, lanes.py, channels.py, tuning.py   how each is made, in a child process (child.py)
measuring.py  size, memory and times of candidates that take turns, so that a machine's noise hits all alike
scores.py     what a model says, and how good that is (pure)
pareto.py     which of them nobody beats, and the pick by constraints (pure)
optimise.py   all of it in order; writing.py: the picked one's folder
comparing.py  two models beside each other

Nothing here runs in a node: it is for an engineer at a desk, and needs `holdfast[ml]` and onnx.
"""
