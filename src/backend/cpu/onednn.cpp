#include "backend/cpu/onednn.h"

#include <array>
#include <cstring>

#include "base/error.h"
#include "base/math.h"

namespace varve::backend::cpu {

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

namespace {

/// Those of the library's functions that are as exact as our own. Its relu is not: it makes 0 of
/// NaN, and a network that has diverged would look sound.
dnnl::algorithm eltwise(Pointwise activation) {
  switch (activation) {
    case Pointwise::sigmoid:
      return dnnl::algorithm::eltwise_logistic;
    case Pointwise::tanh:
      return dnnl::algorithm::eltwise_tanh;
    default:
      return dnnl::algorithm::undef;
  }
}

dnnl::primitive_attr make_attributes(Pointwise activation) {
  dnnl::primitive_attr a;
  a.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (activation == Pointwise::identity) return a;
  dnnl::post_ops after;
#if DNNL_VERSION_MAJOR >= 3
  after.append_eltwise(eltwise(activation), 0.f, 0.f);
#else
  after.append_eltwise(1.f, eltwise(activation), 0.f, 0.f);
#endif
  a.set_post_ops(after);
  return a;
}

}  // namespace

bool attachable(Pointwise activation) { return eltwise(activation) != dnnl::algorithm::undef; }

const dnnl::primitive_attr& attributes(Pointwise activation) {
  static const dnnl::primitive_attr plain = make_attributes(Pointwise::identity),
                                    sigmoid = make_attributes(Pointwise::sigmoid),
                                    tanh = make_attributes(Pointwise::tanh);
  switch (activation) {
    case Pointwise::sigmoid:
      return sigmoid;
    case Pointwise::tanh:
      return tanh;
    default:
      check(activation == Pointwise::identity, "the activation is one that is attachable");
      return plain;
  }
}

std::optional<memory::data_type> type_of(DType dtype) {
  if (dtype == f32) return memory::data_type::f32;
  if (dtype == bf16) return memory::data_type::bf16;
  return std::nullopt;
}

namespace {

dnnl_stream_t stream() {
  thread_local const dnnl::stream own(engine());
  return own.get();
}

/// Strided elements to row-major ones.
template <class Word>
void copy_words(const Layout& layout, const void* source, void* target) {
  const auto* from = static_cast<const Word*>(source);
  auto* to = static_cast<Word*>(target);
  const auto& dims = layout.shape.dims();
  const int rank = layout.shape.rank();
  const int64_t inner = rank ? dims.back() : 1, step = rank ? layout.strides.back() : 0;
  const int64_t rows = layout.shape.size() / std::max<int64_t>(inner, 1);
  for (int64_t r = 0; r < rows; ++r) {
    int64_t at = 0, rest = r;
    for (int axis = rank - 2; axis >= 0; --axis) {
      const auto a = static_cast<size_t>(axis);
      at += rest % dims[a] * layout.strides[a];
      rest /= dims[a];
    }
    for (int64_t i = 0; i < inner; ++i) *to++ = from[at + i * step];
  }
}

}  // namespace

namespace {
Dims channels_second(const std::vector<int64_t>& last) {
  Dims d{last.front(), last.back()};
  d.insert(d.end(), last.begin() + 1, last.end() - 1);
  return d;
}
}  // namespace

memory::desc activation_desc(const Shape& shape, memory::data_type type, Format format) {
  Dims dims = channels_second(shape.dims());
  if (format == Format::plain) return {dims, type, channels_second(ir::row_major(shape))};
  using Tag = memory::format_tag;
  static constexpr std::array<std::array<Tag, 3>, 2> tags{
      {{Tag::nCw8c, Tag::nChw8c, Tag::nCdhw8c}, {Tag::nCw16c, Tag::nChw16c, Tag::nCdhw16c}}};
  return {dims, type, tags[format == Format::channels16].at(dims.size() - 3)};
}

struct Program::Objects {
  std::vector<dnnl::memory> memories;  // of all steps, in order
  std::vector<const void*> handles;    // what they point at
  std::vector<dnnl_exec_arg_t> arguments;
};

Program::~Program() { delete spare_.load(); }

std::byte* Program::address(const Place& place, const Arguments& a) {
  switch (place.kind) {
    case Place::Kind::input:
      return static_cast<std::byte*>(a.inputs[place.at]);
    case Place::Kind::output:
      return static_cast<std::byte*>(a.outputs[place.at]);
    default:
      return a.scratch + place.at;
  }
}

Place Program::reserve(size_t bytes) {
  const Place place{Place::Kind::scratch, scratch_};
  rooms_.push_back({scratch_, round_up(static_cast<int64_t>(bytes), 64)});
  scratch_ += rooms_.back().bytes;
  return place;
}

Place Program::row_major_input(const Request& r, size_t i) {
  const Place own{Place::Kind::input, static_cast<int64_t>(i)};
  const Layout& layout = r.inputs[i];
  if (layout.contiguous() || layout.format != Format::plain) return own;
  const Place room = reserve(static_cast<size_t>(layout.shape.size() * size_of(layout.dtype)));
  steps_.push_back({{}, {}, layout, own, room});
  return room;
}

void Program::add_reorder(const memory::desc& from, Place source, const memory::desc& to,
                          Place target) {
  const dnnl::reorder::primitive_desc made(engine(), from, engine(), to, attributes());
  add(made, dnnl::reorder(made), {{DNNL_ARG_FROM, from, source}, {DNNL_ARG_TO, to, target}});
}

Place Program::packed_input(const Request& r, size_t i, bool copied, const memory::desc& from,
                            const memory::desc& to) {
  const size_t first = steps_.size();
  const Place own{Place::Kind::input, static_cast<int64_t>(i)};
  const Place rows = copied ? row_major_input(r, i) : own;
  if (from == to && !copied) return own;
  const Place room = from == to ? rows : reserve(to.get_size());
  if (from != to) add_reorder(from, rows, to, room);
  check(!packed_, "one input is laid out");
  packed_ = {own.at, first, steps_.size(), room, static_cast<int64_t>(to.get_size())};
  return room;
}

template <class F>
void Program::each_place(F f) {
  for (Step& s : steps_) {
    for (Operand& o : s.operands) f(o.place);
    if (!s.primitive) f(s.from), f(s.to);
  }
}

void Program::replace(const Place& old, const Place& by) {
  each_place([&](Place& p) {
    if (p == old) p = by;
  });
}

/// Moves what is left of scratch together.
void Program::drop_unused_rooms() {
  std::vector<Room> left;
  scratch_ = 0;
  for (const Room& room : rooms_) {
    const Place old{Place::Kind::scratch, room.at}, now{Place::Kind::scratch, scratch_};
    bool used = false;
    each_place([&](const Place& p) { used |= p == old; });
    if (!used) continue;
    replace(old, now);
    left.push_back({now.at, room.bytes});
    scratch_ += room.bytes;
  }
  rooms_ = std::move(left);
}

Packing Program::take_packing(int input) {
  if (!packed_ || packed_->input != input) return {};
  const PackedInput what = *packed_;
  packed_.reset();
  delete spare_.exchange(nullptr);  // made for the steps as they were
  const auto first = steps_.begin() + static_cast<std::ptrdiff_t>(what.first),
             end = steps_.begin() + static_cast<std::ptrdiff_t>(what.end);
  auto packing = std::make_unique<Program>(threads_);
  packing->steps_.assign(std::make_move_iterator(first), std::make_move_iterator(end));
  packing->rooms_ = rooms_;
  packing->replace(what.to, {Place::Kind::output, 0});
  packing->replace({Place::Kind::input, input}, {Place::Kind::input, 0});
  packing->drop_unused_rooms();
  steps_.erase(first, end);
  replace(what.to, {Place::Kind::input, input});
  drop_unused_rooms();
  return {std::move(packing), what.bytes};
}

std::unique_ptr<Program::Objects> Program::make_objects() const {
  auto objects = std::make_unique<Objects>();
  for (const Step& s : steps_) {
    for (const Operand& o : s.operands) {
      objects->memories.emplace_back(o.desc, engine(), nullptr);
      objects->arguments.push_back({o.argument, objects->memories.back().get()});
    }
  }
  objects->handles.assign(objects->memories.size(), nullptr);
  return objects;
}

void Program::run(const Arguments& a) const noexcept {
  try {
    const ThreadScope scope(threads_);
    std::unique_ptr<Objects> objects(spare_.exchange(nullptr));
    if (!objects) objects = make_objects();
    size_t first = 0;
    for (const Step& s : steps_) {
      if (!s.primitive) {
        const std::byte* from = address(s.from, a);
        std::byte* to = address(s.to, a);
        if (size_of(s.layout.dtype) == 4) {
          copy_words<uint32_t>(s.layout, from, to);
        } else {
          copy_words<uint16_t>(s.layout, from, to);
        }
        continue;
      }
      const size_t count = s.operands.size();
      for (size_t i = 0; i < count; ++i) {
        void* at = address(s.operands[i].place, a);
        if (objects->handles[first + i] == at) continue;
        dnnl::error::wrap_c_api(
            dnnl_memory_set_data_handle(objects->arguments[first + i].memory, at),
            "oneDNN: memory");
        objects->handles[first + i] = at;
      }
      dnnl::error::wrap_c_api(
          dnnl_primitive_execute(s.primitive.get(), stream(), static_cast<int>(count),
                                 objects->arguments.data() + first),
          "oneDNN: execution");
      first += count;
    }
    delete spare_.exchange(objects.release());
  } catch (...) {
    a.fault->note_exception(std::current_exception());
  }
}

}  // namespace varve::backend::cpu
