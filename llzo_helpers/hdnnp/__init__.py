"""n2p2's neural network potentials (2G HDNNPs) without n2p2."""
