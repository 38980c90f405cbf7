"""Training a potential in n2p2's format on the forces of a reference calculator.

Stages, each of which goes on where it stopped (`notebooks/00_train_hdnnp.ipynb` runs them):

    sample      molecular dynamics that visits the conditions of the study
    label       energies, forces and stress of the reference
    functions   symmetry functions, chosen from a larger pool
    fit         a committee of networks, on energies and forces
    select      frames on which the committee disagrees, for the next round
    validate    errors by phase, equation of state, molecular dynamics

`training.yaml` in the folder of the potential says how it is made.
"""
