#include "transform/tile_program.h"

#include <charconv>

#include "base/error.h"
#include "base/math.h"

namespace varve::tiling {
namespace {

std::string list(const Strides& s) {
  return "[" + std::to_string(s[0]) + ", " + std::to_string(s[1]) + ", " + std::to_string(s[2]) +
         "]";
}

std::string number_text(double v) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof(buffer), v).ptr};
}

std::string slot_text(int32_t slot) { return "%" + std::to_string(slot); }

/// What stands after the `=` of an instruction.
std::string body_text(const Instruction& in) {
  const std::string type = std::string(".") + name_of(in.type);
  switch (in.opcode) {
    case Opcode::load:
      return "load" + type + " in" + std::to_string(in.operand);
    case Opcode::constant:
      return "constant" + type + " " +
             (is_floating(in.type) ? number_text(in.number) : std::to_string(in.integer));
    case Opcode::cast:
      return "cast" + type + " " + slot_text(in.arguments[0]) + " through " + name_of(in.through);
    case Opcode::random_bits:
    case Opcode::random_unit:
      return std::string(in.opcode == Opcode::random_bits ? "random_bits" : "random_unit") + type +
             " key in" + std::to_string(in.operand) + " index " + list(in.index_strides);
    case Opcode::call:
      break;
  }
  std::string text = name_of(in.function) + type;
  for (int i = 0; i < info(in.function).arity; ++i) {
    text += (i ? ", " : " ") + slot_text(in.arguments[static_cast<size_t>(i)]);
  }
  return text;
}

std::string axes_text(const Axes& axes) {
  std::string text;
  for (int a = 0; a < 3; ++a) {
    if (axes[static_cast<size_t>(a)]) text += (text.empty() ? "" : ", ") + std::to_string(a);
  }
  return "[" + text + "]";
}

class Validator {
 public:
  explicit Validator(const TileProgram& p) : p_(p) {}

  void run() {
    place_ = "extents";
    int64_t size = 1;
    for (int64_t e : p_.extents) {
      need(e >= 0, "extents are not negative");
      need(e == 0 || checked_multiply(size, e, size), "the number of elements fits 63 bits");
    }
    for (size_t i = 0; i < p_.instructions.size(); ++i) {
      place_ = slot_text(static_cast<int32_t>(i));
      instruction(p_.instructions[i], static_cast<int32_t>(i));
    }
    place_ = "outputs";
    need(!p_.outputs.empty(), "a program has one");
    for (size_t i = 0; i < p_.outputs.size(); ++i) {
      place_ = "out" + std::to_string(i);
      output(p_.outputs[i]);
    }
  }

 private:
  void need(bool ok, const char* what) const {
    if (!ok) throw InternalError("tile program, " + place_ + ": broken rule: " + what);
  }
  void slot(int32_t s, int32_t before) const {
    need(s >= 0 && s < before, "arguments are earlier slots");
  }
  void instruction(const Instruction& in, int32_t index) const {
    const auto operands = static_cast<int32_t>(p_.operands.size());
    switch (in.opcode) {
      case Opcode::load:
        need(in.operand >= 0 && in.operand < operands, "the operand exists");
        return;
      case Opcode::constant:
        return;
      case Opcode::cast:
        return slot(in.arguments[0], index);
      case Opcode::random_bits:
      case Opcode::random_unit:
        need(in.operand >= 0 && in.operand < operands, "the operand exists");
        need(p_.operands[static_cast<size_t>(in.operand)].dtype == DType::u64, "a key is u64");
        need(in.type == (in.opcode == Opcode::random_bits ? Type::i32 : Type::f32),
             "random bits are i32, units f32");
        for (int64_t s : in.index_strides) need(s >= 0, "index steps are not negative");
        return;
      case Opcode::call:
        break;
    }
    need(defined_for(in.function, is_floating(in.type)), "the function is defined for the type");
    for (int i = 0; i < info(in.function).arity; ++i) {
      const int32_t argument = in.arguments[static_cast<size_t>(i)];
      slot(argument, index);
      need(p_.instructions[static_cast<size_t>(argument)].type == in.type,
           "arguments have the type of the call");
    }
  }
  void output(const Output& out) const {
    slot(out.slot, static_cast<int32_t>(p_.instructions.size()));
    for (size_t a = 0; a < 3; ++a) {
      if (out.reduce == Reduce::none) {
        need(!out.axes[a], "only a reduction marks axes");
        need(out.strides[a] != 0 || p_.extents[a] <= 1, "an output is not broadcast");
      } else if (out.axes[a]) {
        need(out.strides[a] == 0, "a reduction has no step along reduced axes");
      } else {
        need(out.strides[a] != 0 || p_.extents[a] <= 1, "a reduction has a step along kept axes");
      }
    }
  }

  const TileProgram& p_;
  std::string place_;
};

int add(TileProgram& p, Instruction in) {
  p.instructions.push_back(in);
  return static_cast<int>(p.instructions.size()) - 1;
}

}  // namespace

const char* name_of(Type type) {
  static constexpr const char* kNames[] = {"f32", "f64", "i32", "i64"};
  return kNames[static_cast<int>(type)];
}

const char* name_of(Reduce reduce) {
  static constexpr const char* kNames[] = {"none", "sum", "prod", "max", "min"};
  return kNames[static_cast<int>(reduce)];
}

Type compute_type(DType dtype) {
  if (varve::is_floating(dtype)) return dtype == DType::f64 ? Type::f64 : Type::f32;
  return dtype == DType::u32 || size_of(dtype) == 8 ? Type::i64 : Type::i32;
}

bool keeps_u64(Pointwise function) {
  switch (function) {
    case Pointwise::identity:
    case Pointwise::negative:
    case Pointwise::square:
    case Pointwise::logical_not:
    case Pointwise::is_nan:
    case Pointwise::is_finite:
    case Pointwise::is_inf:
    case Pointwise::bitwise_not:
    case Pointwise::add:
    case Pointwise::subtract:
    case Pointwise::multiply:
    case Pointwise::equal:
    case Pointwise::not_equal:
    case Pointwise::logical_and:
    case Pointwise::logical_or:
    case Pointwise::logical_xor:
    case Pointwise::bitwise_and:
    case Pointwise::bitwise_or:
    case Pointwise::bitwise_xor:
    case Pointwise::left_shift:
    case Pointwise::select:
      return true;
    default:
      return false;
  }
}

int TileProgram::load(int operand, Type type) {
  return add(*this, {.opcode = Opcode::load, .type = type, .operand = operand});
}

int TileProgram::constant(double value, Type type) {
  return add(*this, {.opcode = Opcode::constant,
                     .type = type,
                     .number = value,
                     .integer = is_floating(type) ? 0 : static_cast<int64_t>(value)});
}

int TileProgram::constant_integer(int64_t value, Type type) {
  return add(*this, {.opcode = Opcode::constant,
                     .type = type,
                     .number = static_cast<double>(value),
                     .integer = value});
}

int TileProgram::call(Pointwise function, int a, int b, int c) {
  check(a >= 0 && a < static_cast<int>(instructions.size()), "the first argument is a slot");
  return add(*this, {.opcode = Opcode::call,
                     .type = instructions[static_cast<size_t>(a)].type,
                     .function = function,
                     .arguments = {a, b, c}});
}

int TileProgram::cast(int slot, Type type) {
  // Through a type that holds every value of the result's: no rounding but its own.
  static constexpr DType kSame[] = {DType::f32, DType::f64, DType::i32, DType::i64};
  return cast(slot, type, kSame[static_cast<int>(type)]);
}

int TileProgram::cast(int slot, Type type, DType through) {
  return add(
      *this,
      {.opcode = Opcode::cast, .type = type, .arguments = {slot, -1, -1}, .through = through});
}

int TileProgram::random(Opcode bits_or_unit, int key_operand, Strides index_strides) {
  return add(*this, {.opcode = bits_or_unit,
                     .type = bits_or_unit == Opcode::random_bits ? Type::i32 : Type::f32,
                     .operand = key_operand,
                     .index_strides = index_strides});
}

void validate(const TileProgram& program) { Validator(program).run(); }

std::string to_string(const TileProgram& program) {
  std::string text = "tile " + list(program.extents) + "\n";
  for (size_t i = 0; i < program.operands.size(); ++i) {
    const Operand& o = program.operands[i];
    text +=
        "  in" + std::to_string(i) + ": " + varve::name_of(o.dtype) + " " + list(o.strides) + "\n";
  }
  for (size_t i = 0; i < program.instructions.size(); ++i) {
    text += "  %" + std::to_string(i) + " = " + body_text(program.instructions[i]) + "\n";
  }
  for (size_t i = 0; i < program.outputs.size(); ++i) {
    const Output& o = program.outputs[i];
    text += "  out" + std::to_string(i) + ": " + varve::name_of(o.dtype) + " " + list(o.strides) +
            " = ";
    if (o.reduce != Reduce::none) text += name_of(o.reduce) + axes_text(o.axes) + " ";
    text += slot_text(o.slot) + "\n";
  }
  return text;
}

bool collapse(Space& space, std::vector<int> kinds) {
  check(kinds.size() == space.extents.size(), "one kind an axis");
  std::vector<int64_t> extents;
  std::vector<int> kept_kinds;
  std::vector<std::vector<int64_t>> strides(space.strides.size());
  for (size_t axis = 0; axis < space.extents.size(); ++axis) {
    const int64_t extent = space.extents[axis];
    if (extent == 1) continue;
    bool join = !extents.empty() && kept_kinds.back() == kinds[axis];
    for (size_t k = 0; join && k < strides.size(); ++k) {
      join = strides[k].back() == space.strides[k][axis] * extent;
    }
    if (join) {
      extents.back() *= extent;
      for (size_t k = 0; k < strides.size(); ++k) strides[k].back() = space.strides[k][axis];
    } else {
      extents.push_back(extent);
      kept_kinds.push_back(kinds[axis]);
      for (size_t k = 0; k < strides.size(); ++k) strides[k].push_back(space.strides[k][axis]);
    }
  }
  if (extents.size() > 3) return false;
  const size_t missing = 3 - extents.size();
  extents.insert(extents.begin(), missing, 1);
  for (std::vector<int64_t>& s : strides) s.insert(s.begin(), missing, 0);
  space = {std::move(extents), std::move(strides)};
  return true;
}

}  // namespace varve::tiling
