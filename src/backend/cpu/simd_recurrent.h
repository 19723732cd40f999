// Recurrent networks on f32: one step after another, the state's product and the cell in one go.
#pragma once
#include <cstddef>
#include <cstdint>

namespace varve::cpu {

enum class CellKind { tanh, relu, lstm, gru };
/// Gates of a cell: columns of its kernels are so many times its units.
constexpr int gates_of(CellKind kind) {
  return kind == CellKind::lstm ? 4 : kind == CellKind::gru ? 3 : 1;
}
/// What the forward kernel keeps for the backward one: units times this.
constexpr int kept_of(CellKind kind) {
  return kind == CellKind::lstm || kind == CellKind::gru ? 4 : 1;
}

struct RecurrentShape {
  CellKind kind = CellKind::tanh;
  int64_t batch = 0, steps = 0, units = 0;
  bool reverse = false;

  int64_t at(int64_t i) const { return reverse ? steps - 1 - i : i; }
};

/// Floats that packing the recurrent kernel takes, forward and backward.
int64_t packed_forward(const RecurrentShape& s);
int64_t packed_backward(const RecurrentShape& s);

/// All row-major. `brought`: x kernel + bias of every step [batch, steps, gates units]; what is
/// kept may be the same memory for an LSTM. Null where a cell has none of it.
struct RecurrentForward {
  const float* brought;
  const float* recurrent_kernel;  // [units, gates units]
  const float* bias;              // of a GRU: added to what the state brings
  const float *state, *cell;      // the first ones [batch, units]
  const bool* mask;               // [batch, steps], or null
  float *states, *cells;          // [batch, steps, units]
  float* kept;                    // [batch, steps, kept units]
  float* scratch;                 // packed_forward()
};
void recurrent_forward(const RecurrentShape& s, const RecurrentForward& f, int threads) noexcept;

struct RecurrentBackward {
  const float* recurrent_kernel;
  const float *state, *cell;                      // the first ones
  const float *states, *cells, *kept;             // as the forward kernel left them
  const bool* mask;                               // or null
  const float *states_gradient, *cells_gradient;  // [batch, steps, units]; the latter of an LSTM
  float *sums, *state_sums;  // gradients of what x and of what h brings; the latter of a GRU
  float *state_gradient, *cell_gradient;  // of the first ones [batch, units]
  float* scratch;                         // packed_backward() + 2 batch units
};
void recurrent_backward(const RecurrentShape& s, const RecurrentBackward& b, int threads) noexcept;

}  // namespace varve::cpu
