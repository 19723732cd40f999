// Which library multiplies two matrices faster, from a table of measurements.
#pragma once
#include "backend/cpu/matrices.h"

namespace varve::backend::cpu {

/// Whether OpenBLAS was clearly faster than oneDNN on the f32 product in the table that is most
/// like this one, and was measured for this instruction set; false where none is much like it. A
/// pure function of its arguments and the instruction set.
bool openblas_is_faster(const MatmulProblem& p, int threads);

}  // namespace varve::backend::cpu
