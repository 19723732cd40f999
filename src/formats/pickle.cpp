#include "formats/pickle.h"

#include <bit>
#include <cstring>
#include <unordered_map>

#include "base/error.h"

namespace varve::formats::pickle {
namespace {

constexpr size_t kMaxItems = 10'000'000;
constexpr int kMaxDepth = 64;  // so that values are destroyed without much recursion

[[noreturn]] void fail(const std::string& what) { throw FormatError("pickle: " + what); }

const std::unordered_map<std::string, DType>& storages() {
  static const std::unordered_map<std::string, DType> types = {
      {"torch FloatStorage", DType::f32}, {"torch DoubleStorage", DType::f64},
      {"torch HalfStorage", DType::f16},  {"torch BFloat16Storage", DType::bf16},
      {"torch LongStorage", DType::i64},  {"torch IntStorage", DType::i32},
      {"torch ShortStorage", DType::i16}, {"torch CharStorage", DType::i8},
      {"torch ByteStorage", DType::u8},   {"torch BoolStorage", DType::bool_},
  };
  return types;
}

bool known(const std::string& global) {
  return storages().contains(global) || global == "collections OrderedDict" ||
         global == "torch._utils _rebuild_tensor" || global == "torch._utils _rebuild_tensor_v2" ||
         global == "torch._utils _rebuild_parameter";
}

/// A mutable value while it is being built: lists and dicts grow after they were pushed.
using Building = std::shared_ptr<Value>;

class Reader {
 public:
  Reader(std::span<const std::byte> bytes, size_t& at) : bytes_(bytes), at_(at) {}

  Ref run() {
    for (;;) {
      const uint8_t op = byte();
      if (op == '.') return pop();
      step(op);
    }
  }

 private:
  // ---- bytes ----
  std::span<const std::byte> take(size_t n) {
    if (n > bytes_.size() - at_) fail("ends too early");
    const auto part = bytes_.subspan(at_, n);
    at_ += n;
    return part;
  }
  uint8_t byte() { return static_cast<uint8_t>(take(1)[0]); }
  /// Little endian, unsigned.
  uint64_t number(size_t n) {
    uint64_t v = 0;
    const auto part = take(n);
    for (size_t i = n; i-- > 0;) v = v << 8 | static_cast<uint8_t>(part[i]);
    return v;
  }
  std::string text(size_t n) {
    const auto part = take(n);
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }
  std::string line() {
    std::string s;
    for (char c; (c = static_cast<char>(byte())) != '\n';) s += c;
    return s;
  }

  // ---- the stack ----
  Building push(Value v) {
    if (++made_ > kMaxItems) fail("too many values");
    stack_.push_back(std::make_shared<Value>(std::move(v)));
    return stack_.back();
  }
  template <class T>
  void push_as(T v) {
    push({std::move(v), 0});
  }
  Building pop() {
    const size_t floor = marks_.empty() ? 0 : marks_.back();
    if (stack_.size() <= floor) fail("takes from an empty stack");
    Building v = std::move(stack_.back());
    stack_.pop_back();
    return v;
  }
  Building top() {
    Building v = pop();
    stack_.push_back(v);
    return v;
  }
  /// What lies above the last mark, which goes away.
  std::vector<Ref> popped_to_mark() {
    if (marks_.empty()) fail("has no mark");
    std::vector<Ref> list(stack_.begin() + static_cast<int64_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return list;
  }
  void push_items(Items::Kind kind, std::vector<Ref> list) {
    const Building v = push({Items{kind, {}}, 0});
    for (Ref& r : list) add(*v, std::move(r));
  }
  void push_tuple(size_t n) {
    std::vector<Ref> list(n);
    for (size_t i = n; i-- > 0;) list[i] = pop();
    push_items(Items::Kind::tuple, std::move(list));
  }
  /// Appends an item. What is inside another value is finished, so there are no cycles, and depths
  /// are final.
  void add(Value& to, Ref item) {
    auto* items = std::get_if<Items>(&to.v);
    if (!items) fail("adds to what is no list");
    if (item.get() == &to) fail("holds itself");
    if (to.held) fail("adds to what another value holds");
    if (++made_ > kMaxItems) fail("too many values");
    item->held = true;
    to.depth = std::max(to.depth, item->depth + 1);
    if (to.depth > kMaxDepth) fail("is nested too deeply");
    items->list.push_back(std::move(item));
  }

  // ---- typed access ----
  template <class T>
  static const T& as(const Ref& r, const char* what) {
    const T* v = std::get_if<T>(&r->v);
    if (!v) fail(std::string("expected ") + what);
    return *v;
  }
  static std::vector<int64_t> integers(const Ref& r) {
    std::vector<int64_t> out;
    if (as<Items>(r, "a tuple").list.size() > 64) fail("a tensor of more than 64 axes");
    for (const Ref& i : as<Items>(r, "a tuple").list) out.push_back(as<int64_t>(i, "an integer"));
    return out;
  }

  void step(uint8_t op);
  void constants(uint8_t op);
  void containers(uint8_t op);
  void memory(uint8_t op);
  void global(bool in_text);
  void reduce();
  void persistent();
  void remember(uint64_t at) {
    if (++made_ > kMaxItems) fail("too many values");
    memo_[at] = top();
  }
  void recall(uint64_t at) {
    const auto found = memo_.find(at);
    if (found == memo_.end()) fail("recalls what was not remembered");
    stack_.push_back(found->second);
    if (++made_ > kMaxItems) fail("too many values");
  }

  std::span<const std::byte> bytes_;
  size_t& at_;
  std::vector<Building> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, Building> memo_;
  size_t made_ = 0;
};

void Reader::step(uint8_t op) {
  switch (op) {
    case 0x80:  // PROTO
      if (const uint8_t version = byte(); version > 5)
        fail("version " + std::to_string(version) + " is newer than 5");
      return;
    case 0x95:  // FRAME
      take(8);
      return;
    case '(':
      marks_.push_back(stack_.size());
      return;
    case '0':
      pop();
      return;
    case 'c':
    case 0x93:
      return global(op == 'c');
    case 'R':
      return reduce();
    case 'Q':
      return persistent();
    case 'b':  // BUILD: attributes of a dict, which nobody reads
      pop();
      as<Items>(top(), "a dict");
      return;
    case 'q':
    case 'r':
    case 'h':
    case 'j':
    case 0x94:
      return memory(op);
    case ')':
    case ']':
    case '}':
    case 't':
    case 'l':
    case 'd':
    case 'a':
    case 'e':
    case 's':
    case 'u':
    case 0x85:
    case 0x86:
    case 0x87:
      return containers(op);
    default:
      return constants(op);
  }
}

void Reader::constants(uint8_t op) {
  switch (op) {
    case 'N':
      return push_as(None{});
    case 0x88:
    case 0x89:
      return push_as(op == 0x88);
    case 'J':
      return push_as(static_cast<int64_t>(static_cast<int32_t>(number(4))));
    case 'K':
      return push_as(static_cast<int64_t>(number(1)));
    case 'M':
      return push_as(static_cast<int64_t>(number(2)));
    case 0x8a: {  // LONG1: up to 8 bytes are a number, more are kept as text
      const size_t n = byte();
      if (n > 8) return push_as(text(n));
      uint64_t v = number(n);
      if (n > 0 && n < 8 && (v >> (8 * n - 1) & 1)) v |= ~uint64_t{0} << (8 * n);
      return push_as(static_cast<int64_t>(v));
    }
    case 'G': {  // big endian
      uint64_t v = 0;
      for (std::byte b : take(8)) v = v << 8 | static_cast<uint8_t>(b);
      return push_as(std::bit_cast<double>(v));
    }
    case 'X':
    case 'T':
    case 'B':
      return push_as(text(number(4)));
    case 0x8c:
    case 'U':
    case 'C':
      return push_as(text(number(1)));
    default: {
      constexpr char kDigits[] = "0123456789abcdef";
      fail(std::string("instruction 0x") + kDigits[op / 16] + kDigits[op % 16] + " is not allowed");
    }
  }
}

void Reader::containers(uint8_t op) {
  switch (op) {
    case ')':
      return push_items(Items::Kind::tuple, {});
    case ']':
      return push_items(Items::Kind::list, {});
    case '}':
      return push_items(Items::Kind::dict, {});
    case 't':
      return push_items(Items::Kind::tuple, popped_to_mark());
    case 'l':
      return push_items(Items::Kind::list, popped_to_mark());
    case 'd':
      return push_items(Items::Kind::dict, popped_to_mark());
    case 'a': {
      const Ref item = pop();
      return add(*top(), item);
    }
    case 's': {
      const Ref value = pop(), key = pop();
      add(*top(), key);
      return add(*top(), value);
    }
    case 'e':
    case 'u': {
      std::vector<Ref> list = popped_to_mark();
      if (op == 'u' && list.size() % 2) fail("sets a key without a value");
      const Building to = top();
      for (Ref& r : list) add(*to, std::move(r));
      return;
    }
    default:
      return push_tuple(static_cast<size_t>(op - 0x84));
  }
}

void Reader::memory(uint8_t op) {
  switch (op) {
    case 'q':
      return remember(number(1));
    case 'r':
      return remember(number(4));
    case 0x94:
      return remember(memo_.size());
    case 'h':
      return recall(number(1));
    default:
      return recall(number(4));
  }
}

void Reader::global(bool in_text) {
  if (in_text) {
    const std::string module = line();
    return push_as(Global{module + " " + line()});
  }
  const Ref name = pop(), module = pop();
  push_as(Global{as<std::string>(module, "a name") + " " + as<std::string>(name, "a name")});
}

void Reader::persistent() {
  const Ref id = pop();
  const std::vector<Ref>& list = as<Items>(id, "a storage").list;
  if (list.size() < 5 || as<std::string>(list[0], "a storage") != "storage") {
    fail("expected a storage");
  }
  const std::string& type = as<Global>(list[1], "a type of storage").name;
  const auto dtype = storages().find(type);
  if (dtype == storages().end()) fail("\"" + escaped(type) + "\" is no type of storage");
  // A view of another storage is one of its own in files of today.
  if (list.size() > 5 && !std::holds_alternative<None>(list[5]->v)) fail("a storage is a view");
  push_as(
      Storage{as<std::string>(list[2], "a key"), dtype->second, as<int64_t>(list[4], "a count")});
}

void Reader::reduce() {
  const Ref arguments = pop(), callee = pop();
  const std::string& name = as<Global>(callee, "a global").name;
  if (!known(name)) fail("\"" + escaped(name) + "\" is not allowed");
  const std::vector<Ref>& list = as<Items>(arguments, "arguments").list;
  if (name == "collections OrderedDict") {
    // Without arguments, or a list of pairs.
    push_items(Items::Kind::dict, {});
    const Building dict = top();
    for (size_t i = 0; !list.empty() && i < as<Items>(list[0], "pairs").list.size(); ++i) {
      const std::vector<Ref>& pair = as<Items>(as<Items>(list[0], "pairs").list[i], "a pair").list;
      if (pair.size() != 2) fail("expected a pair");
      add(*dict, pair[0]);
      add(*dict, pair[1]);
    }
    return;
  }
  if (name == "torch._utils _rebuild_parameter") {
    if (list.empty()) fail("a parameter without data");
    return push_as(as<TensorView>(list[0], "a tensor"));
  }
  if (storages().contains(name) || list.size() < 4)
    fail("\"" + escaped(name) + "\" is not allowed");
  TensorView t{as<Storage>(list[0], "a storage"), as<int64_t>(list[1], "an offset"),
               integers(list[2]), integers(list[3])};
  if (t.sizes.size() != t.strides.size()) fail("a tensor has other strides than sizes");
  push_as(std::move(t));
}

}  // namespace

Ref read(std::span<const std::byte> bytes, size_t& at) { return Reader(bytes, at).run(); }

}  // namespace varve::formats::pickle
