#include "base/error.h"
#include "ir/frame.h"
#include "ir/node.h"
#include "varve/tensor.h"

namespace varve {

Variable::Variable(const Tensor& initial, VariableMade made)
    : state_(std::make_shared<detail::VariableState>()) {
  initial.evaluate();
  *state_ = {std::move(made.name),
             ir::type_of(initial),
             made.trainable,
             Tensor(initial.cell()),
             {},
             0,
             {},
             {}};
}

Variable::Variable(const Shape& shape, DType dtype, std::function<Tensor()> initial,
                   VariableMade made)
    : state_(std::make_shared<detail::VariableState>()) {
  *state_ = {
      std::move(made.name), {dtype, shape}, made.trainable, {}, std::move(initial), 0, {}, {}};
}

namespace {
detail::VariableState& state_of(const Variable& v) {
  if (!v.defined()) throw ValueError("an empty Variable (made by Variable()) has no value");
  return *v.state();
}
}  // namespace

const std::string& Variable::name() const { return state_of(*this).name; }
const Shape& Variable::shape() const { return state_of(*this).type.shape; }
DType Variable::dtype() const { return state_of(*this).type.dtype; }
bool Variable::trainable() const { return state_of(*this).trainable; }
void Variable::set_trainable(bool trainable) { state_of(*this).trainable = trainable; }
uint64_t Variable::version() const { return state_of(*this).version; }

Tensor Variable::value() const {
  state_of(*this);
  return ir::read_variable(state_);
}

void Variable::assign(const Tensor& value) {
  state_of(*this);
  ir::assign_variable(state_, Tensor(value.cell()));
}

}  // namespace varve
