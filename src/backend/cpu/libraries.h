// Which libraries the CPU kernels stand on, for people who ask.
#pragma once
#include <string>

namespace varve::cpu {

struct Libraries {
  std::string onednn;            ///< "2.6.3"
  std::string onednn_threads;    ///< "OpenMP", "TBB", "none"
  std::string onednn_isa;        ///< the instruction set it will use
  std::string openblas;          ///< its own description of itself
  std::string openblas_threads;  ///< "OpenMP", "its own", "none"
};
Libraries libraries();

}  // namespace varve::cpu
