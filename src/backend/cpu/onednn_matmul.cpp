// Matrix products by oneDNN.
#include <algorithm>

#include "backend/cpu/matrices.h"
#include "backend/cpu/onednn.h"

namespace varve::backend::cpu {
namespace {

dnnl::matmul::primitive_desc describe(const memory::desc& a, const memory::desc& b,
                                      const std::optional<memory::desc>& bias,
                                      const memory::desc& y, const dnnl::primitive_attr& attr) {
#if DNNL_VERSION_MAJOR >= 3
  if (bias) return {engine(), a, b, *bias, y, attr, true};
  return {engine(), a, b, y, attr, true};
#else
  if (bias) return {{a, b, *bias, y}, attr, engine(), true};
  return {{a, b, y}, attr, engine(), true};
#endif
}

/// One operand of a stack of products, as oneDNN has it: an axis that repeats has size 1.
memory::desc matrix_desc(const Stack& stack, const Matrix& m, memory::data_type type) {
  Dims dims, strides;
  for (size_t i = 0; i < stack.sizes.size(); ++i) {
    dims.push_back(m.lead[i] == 0 ? 1 : stack.sizes[i]);
    strides.push_back(m.lead[i] == 0 ? std::max(m.row * m.rows, m.column * m.columns) : m.lead[i]);
  }
  dims.insert(dims.end(), {m.rows, m.columns});
  strides.insert(strides.end(), {m.row, m.column});
  return {dims, type, strides};
}

}  // namespace

Offer onednn_matmul(const Request& r, Pointwise activation) {
  const auto type = type_of(r.outputs[0].dtype);
  if (!type) return Offer::decline("takes f32 and bf16");
  const MatmulProblem p = matmul_problem(r);
  if (p.strided_y) return Offer::decline("the output is strided");
  if (p.empty()) return Offer::decline("the product is empty");
  const int threads = useful_threads(p.operations(), r.threads);
  const ThreadScope scope(threads);
  try {
    auto program = std::make_unique<Program>(threads);
    const Place out{Place::Kind::output, 0};
    // An operand of which no axis is contiguous is copied first.
    auto place = [&](size_t i, bool copied) {
      return copied ? program->row_major_input(r, i)
                    : Place{Place::Kind::input, static_cast<int64_t>(i)};
    };
    const Place at_a = place(0, p.copy_a), at_b = place(1, p.copy_b);
    std::vector<Operand> operands{{DNNL_ARG_SRC, matrix_desc(p.stack, p.a, *type), at_a},
                                  {DNNL_ARG_WEIGHTS, matrix_desc(p.stack, p.b, *type), at_b},
                                  {DNNL_ARG_DST, matrix_desc(p.stack, p.y, *type), out}};
    std::optional<memory::desc> bias;
    if (p.has_bias) {
      Dims dims(p.stack.sizes.size() + 1, 1);
      dims.push_back(p.y.columns);
      bias = memory::desc(dims, *type, Dims(dims.size(), 1));
      operands.push_back({DNNL_ARG_BIAS, *bias, program->row_major_input(r, 2)});
    }
    const auto made = describe(operands[0].desc, operands[1].desc, bias, operands[2].desc,
                               attributes(activation));
    if (std::string why = refusal(made); !why.empty()) return Offer::decline(why);
    program->add(made, dnnl::matmul(made), std::move(operands));
    return Offer(std::move(program));
  } catch (const dnnl::error& e) {
    return Offer::decline(e.message);
  }
}

}  // namespace varve::backend::cpu
