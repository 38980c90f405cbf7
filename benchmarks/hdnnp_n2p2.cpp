// Evaluates input.data with n2p2's library once for every line read, and answers with the
// processor time that symmetry functions, networks and forces took (not the neighbour list),
// in seconds, and the energy. See hdnnp.py.
#include "Prediction.h"
#include <ctime>
#include <iomanip>
#include <iostream>
#include <string>

int main()
{
    nnp::Prediction n2p2;
    n2p2.log.writeToStdout = false;
    n2p2.setup();
    n2p2.setupSymmetryFunctionStatistics(false, false, false, false);
    n2p2.readStructureFromFile("input.data");
    nnp::Structure& structure = n2p2.structure;
    double const cutoff = n2p2.getMaxCutoffRadius();
    structure.calculateNeighborList(cutoff, false);
    for (std::string line; std::getline(std::cin, line);)
    {
        structure.freeAtoms(true, cutoff);
        std::clock_t const began = std::clock();
        n2p2.calculateSymmetryFunctionGroups(structure, true);
        n2p2.calculateAtomicNeuralNetworks(structure, true);
        n2p2.calculateEnergy(structure);
        n2p2.calculateForces(structure);
        double const took = double(std::clock() - began) / CLOCKS_PER_SEC;
        double const energy
            = n2p2.physicalEnergy(structure, false) + n2p2.getEnergyOffset(structure);
        std::cout << std::setprecision(15) << took << " " << energy << std::endl;
    }
}
