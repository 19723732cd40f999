// From the body of a group (or a single op) and the strides of its operands to a tile program.
#pragma once
#include <optional>
#include <span>
#include <string>

#include "ir/graph.h"
#include "transform/tile_program.h"

namespace varve::transform {

/// Whether an op can stand in a tile program: pointwise, cast, or a reduction it knows.
bool tileable(const ir::OpDef& op);
/// The tile reduction an op performs; none for all others.
tiling::Reduce tile_reduction(const ir::OpDef& op);

struct TileBuild {
  std::optional<tiling::TileProgram> program;
  std::string why;  ///< where there is none: what does not fit
};

/// Builds the program of a body whose inputs have the given strides (elements) and whose outputs
/// are row-major. Declines where more than three axes remain or a u64 would lose its upper half.
TileBuild build_tile(const ir::Graph& body, std::span<const ir::Strides> inputs);

/// The body of one node: its op applied to as many inputs.
ir::Graph body_of(const ir::OpDef& op, const ir::Attributes& attributes,
                  std::span<const ir::TensorType> inputs, std::span<const ir::TensorType> outputs);

/// The iteration space of a tileable node: its input's shape where it reduces, else its output's.
const Shape& space_of(const ir::Graph& graph, const ir::GraphNode& node);

}  // namespace varve::transform
