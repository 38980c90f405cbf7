"""Training a potential in n2p2's format on the forces of a reference calculator.

Stages, each of which resumes where it stopped (`notebooks/00_train_hdnnp.ipynb` runs them):

    sample      molecular dynamics that visits the conditions of the study
    label       energies, forces and stress of the reference
    functions   symmetry functions, chosen from a larger pool
    fit         a committee of networks, on energies and forces
    rounds      again, where the committee disagrees
    validate    errors by phase, equation of state, vibrations, conservation of energy
    publish     a folder of `potentials/`

A file of `parameters/training/` says how a potential is made.
"""
