"""How the models that ship were made: `python -m training.occupancy --data ../shared/data --out FOLDER`, and so on.

Not part of the package. Each script reads a data set, chooses and checks on what its README says, and writes the model,
its card, its feature set and its README. The same data gives the same model.
"""
