// Sequences and optionals.
#include <algorithm>

#include "io/onnx/helpers.h"
#include "varve/ops/shape.h"

namespace varve::io::onnx {
namespace {

Value number(int64_t n) { return known(varve::tensor({n}, Shape{})); }
Value truth(bool b) { return known(scalar(b, DType::bool_)); }

Values sequence_construct(Call& c) {
  Values items;
  for (int i = 0; i < c.inputs(); ++i) items.push_back(c.value(i));
  const Type element = items.empty() ? Type::float32 : items[0].type;
  return {Value::sequence(std::move(items), element)};
}

Values sequence_empty(Call& c) {
  return {Value::sequence({}, c.type_attribute("dtype", Type::float32))};
}

// -n..n-1; one more where a new item may come behind the last.
size_t position(const Call& c, int i, size_t n, bool behind) {
  const auto count = static_cast<int64_t>(n);
  const int64_t given = c.integer(i);
  const int64_t last = behind ? count : count - 1;
  if (given < -count || given > last) {
    c.fail("position: expected " + std::to_string(-count) + ".." + std::to_string(last) + ", got " +
           std::to_string(given));
  }
  return static_cast<size_t>(given < 0 ? given + count : given);
}

Values sequence_at(Call& c) {
  const Values& items = c.items(0);
  return {items[position(c, 1, items.size(), false)]};
}

Values sequence_insert(Call& c) {
  Values items = c.items(0);
  const size_t at = c.has(2) ? position(c, 2, items.size(), true) : items.size();
  items.insert(items.begin() + static_cast<ptrdiff_t>(at), c.value(1));
  return {Value::sequence(std::move(items), c.type(1))};
}

Values sequence_erase(Call& c) {
  Values items = c.items(0);
  if (items.empty()) c.fail("the sequence is empty");
  const size_t at = c.has(1) ? position(c, 1, items.size(), false) : items.size() - 1;
  items.erase(items.begin() + static_cast<ptrdiff_t>(at));
  return {Value::sequence(std::move(items), c.type(0))};
}

Values sequence_length(Call& c) { return {number(static_cast<int64_t>(c.items(0).size()))}; }

// Parts of given sizes, of one size (the last may be smaller), or of size 1.
Values split_to_sequence(Call& c) {
  const Tensor& x = c.tensor(0);
  const int axis = c.axis(c.integer("axis", 0), x.rank());
  const int64_t n = x.shape()[axis];
  std::vector<int64_t> sizes;
  if (c.has(1) && c.shape(1).rank() == 1) {
    sizes = c.ints(1);
  } else {
    const int64_t each = c.has(1) ? c.integer(1) : 1;
    if (each < 1) c.fail("split: expected >= 1, got " + std::to_string(each));
    c.spend((n - 1) / each + 1, kKept);
    for (int64_t left = n; left > 0; left -= sizes.back()) sizes.push_back(std::min(each, left));
  }
  const bool squeezed = !c.has(1) && c.integer("keepdims", 1) == 0;
  Values items;
  for (const Tensor& t : split_sizes(x, sizes, axis)) {
    items.emplace_back(squeezed ? squeeze(t, {axis}) : t, c.type(0));
    items.back().known = c.value(0).known;
  }
  return {Value::sequence(std::move(items), c.type(0))};
}

Values concat_from_sequence(Call& c) {
  std::vector<Tensor> parts;
  for (const Value& v : c.items(0)) {
    if (v.kind != Value::Kind::tensor) c.fail("expected a sequence of tensors");
    parts.push_back(v.tensor);
  }
  if (parts.empty()) c.fail("the sequence is empty");
  const bool fresh = c.integer("new_axis", 0) != 0;
  const int axis = c.axis(c.integer("axis"), parts[0].rank() + (fresh ? 1 : 0));
  Value out(fresh ? stack(parts, axis) : concat(parts, axis), c.type(0));
  out.known = c.value(0).known;
  return {out};
}

// The body for every item; inputs that are no sequences go to all of them.
Values sequence_map(Call& c) {
  const Graph& body = c.graph("body");
  const size_t count = c.items(0).size();
  std::vector<Values> results(body.outputs.size());
  for (size_t k = 0; k < count; ++k) {
    Values inputs;
    for (int i = 0; i < c.inputs(); ++i) {
      const Value& v = c.value(i);
      if (v.kind == Value::Kind::sequence && v.items->size() != count) {
        c.fail("sequences of " + std::to_string(count) + " and " + std::to_string(v.items->size()) +
               " items");
      }
      inputs.push_back(v.kind == Value::Kind::sequence ? (*v.items)[k] : v);
    }
    const Values out = c.run(body, std::move(inputs));
    for (size_t o = 0; o < out.size(); ++o) results[o].push_back(out[o]);
  }
  Values out;
  for (size_t o = 0; o < results.size(); ++o) {
    const Type element = results[o].empty() ? body.outputs[o].type.element : results[o][0].type;
    out.push_back(Value::sequence(std::move(results[o]), element));
  }
  return out;
}

Values optional_(Call& c) { return {c.has(0) ? c.value(0) : Value()}; }
Values optional_get(Call& c) {
  if (!c.has(0)) c.fail("the optional is empty");
  return {c.value(0)};
}
Values optional_has(Call& c) { return {truth(c.has(0))}; }

constexpr Row kRows[] = {
    {"ConcatFromSequence", 11, concat_from_sequence},
    {"Optional", 15, optional_},
    {"OptionalGetElement", 15, optional_get},
    {"OptionalHasElement", 15, optional_has},
    {"SequenceAt", 11, sequence_at, input_bit(1)},
    {"SequenceConstruct", 11, sequence_construct},
    {"SequenceEmpty", 11, sequence_empty},
    {"SequenceErase", 11, sequence_erase, input_bit(1)},
    {"SequenceInsert", 11, sequence_insert, input_bit(2)},
    {"SequenceLength", 11, sequence_length},
    {"SequenceMap", 17, sequence_map},
    {"SplitToSequence", 11, split_to_sequence, input_bit(1)},
};

}  // namespace

std::span<const Row> sequence_rows() { return kRows; }

}  // namespace varve::io::onnx
