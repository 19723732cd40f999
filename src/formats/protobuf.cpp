#include "formats/protobuf.h"

#include <cstring>
#include <protozero/exception.hpp>
#include <protozero/types.hpp>
#include <protozero/varint.hpp>

#include "formats/file.h"

namespace varve::formats {
namespace {

constexpr int kVarint = static_cast<int>(protozero::pbf_wire_type::varint),
              kFixed64 = static_cast<int>(protozero::pbf_wire_type::fixed64),
              kBytes = static_cast<int>(protozero::pbf_wire_type::length_delimited),
              kFixed32 = static_cast<int>(protozero::pbf_wire_type::fixed32);

const char* wire_name(int wire) {
  switch (wire) {
    case kVarint:
      return "an integer";
    case kFixed64:
      return "8 bytes";
    case kBytes:
      return "bytes with a length";
    default:
      return "4 bytes";
  }
}

}  // namespace

ProtoMessage::ProtoMessage(std::string name, std::span<const std::byte> bytes)
    : file_(std::make_shared<const std::string>(shown(name))) {
  base_ = at_ = reinterpret_cast<const char*>(bytes.data());
  end_ = base_ + bytes.size();
}

std::string ProtoMessage::path() const {
  if (!parent_) return {};
  const std::string outer = parent_->path();
  std::string out = outer.empty() ? name_ : outer + "." + name_;
  if (index_ >= 0) out += "[" + std::to_string(index_) + "]";
  return out;
}

std::string ProtoMessage::path_of(const char* name) const {
  const std::string outer = path();
  return outer.empty() ? name : outer + "." + name;
}

void ProtoMessage::fail(const std::string& what, std::string hint) const {
  throw FormatError(*file_ + ": byte " + std::to_string(start_) + ": " + what, std::move(hint));
}

bool ProtoMessage::next() {
  if (at_ == end_) return false;
  start_ = at_ - base_;
  const uint64_t tag = varint("tag");
  wire_ = static_cast<int>(tag & 7);
  if (tag >> 3 == 0 || tag >> 32 != 0) fail("invalid field number " + std::to_string(tag >> 3));
  field_ = static_cast<uint32_t>(tag >> 3);
  if (wire_ != kVarint && wire_ != kFixed64 && wire_ != kBytes && wire_ != kFixed32) {
    fail("field " + path_of(std::to_string(field_).c_str()) + ": unknown wire type " +
         std::to_string(wire_));
  }
  return true;
}

uint64_t ProtoMessage::varint(const char* name) {
  const int64_t here = at_ - base_;
  try {
    return protozero::decode_varint(&at_, end_);
  } catch (const protozero::varint_too_long_exception&) {
    start_ = here;
    fail("invalid varint");
  } catch (const protozero::end_of_buffer_exception&) {
    start_ = here;
    fail("field " + path_of(name) + ": the data end inside an integer", "truncated?");
  }
}

void ProtoMessage::require(int wire, const char* name) {
  if (wire_ == wire) return;
  fail("field " + path_of(name) + ": expected " + wire_name(wire) + ", got " + wire_name(wire_));
}

int64_t ProtoMessage::integer(const char* name) {
  require(kVarint, name);
  return static_cast<int64_t>(varint(name));
}

template <class T>
T ProtoMessage::fixed(const char* name) {
  T value;
  if (end_ - at_ < static_cast<ptrdiff_t>(sizeof(T))) {
    fail("field " + path_of(name) + " length " + std::to_string(sizeof(T)) + ", only " +
             std::to_string(end_ - at_) + " left",
         "truncated?");
  }
  std::memcpy(&value, at_, sizeof(T));
  at_ += sizeof(T);
  return value;
}

float ProtoMessage::real32(const char* name) {
  require(kFixed32, name);
  return fixed<float>(name);
}

double ProtoMessage::real64(const char* name) {
  require(kFixed64, name);
  return fixed<double>(name);
}

std::string_view ProtoMessage::span(const char* name) {
  const uint64_t length = varint(name);
  const auto left = static_cast<uint64_t>(end_ - at_);
  if (length > left) {
    fail("field " + path_of(name) + " length " + std::to_string(length) + ", only " +
             std::to_string(left) + " left",
         "truncated?");
  }
  const std::string_view out(at_, length);
  at_ += length;
  return out;
}

std::string_view ProtoMessage::bytes(const char* name) {
  require(kBytes, name);
  return span(name);
}

ProtoMessage ProtoMessage::message(const char* name, int64_t index) {
  require(kBytes, name);
  ProtoMessage inner;
  inner.file_ = file_;
  inner.parent_ = this;
  inner.name_ = name;
  inner.index_ = index;
  inner.depth_ = depth_ + 1;
  if (inner.depth_ > kMaxMessageDepth) {
    throw FormatError(*file_ + ": nesting deeper than " + std::to_string(kMaxMessageDepth) +
                      " at byte " + std::to_string(start_));
  }
  const uint64_t length = varint(name);
  const auto left = static_cast<uint64_t>(end_ - at_);
  if (length > left) {
    fail("field " + inner.path() + " length " + std::to_string(length) + ", only " +
             std::to_string(left) + " left",
         "truncated?");
  }
  inner.base_ = base_;
  inner.at_ = at_;
  inner.end_ = at_ + length;
  inner.start_ = start_;
  at_ += length;
  return inner;
}

void ProtoMessage::integers(const char* name, std::vector<int64_t>& values) {
  if (wire_ != kBytes) {
    values.push_back(integer(name));
    return;
  }
  const std::string_view packed = span(name);
  const char* end = std::exchange(end_, at_);
  at_ = packed.data();
  while (at_ < end_) values.push_back(static_cast<int64_t>(varint(name)));
  end_ = end;
}

void ProtoMessage::reals32(const char* name, std::vector<float>& values) {
  if (wire_ != kBytes) {
    values.push_back(real32(name));
    return;
  }
  const std::string_view packed = span(name);
  if (packed.size() % sizeof(float) != 0) {
    fail("field " + path_of(name) + ": " + std::to_string(packed.size()) +
         " bytes are no whole number of floats");
  }
  const size_t before = values.size(), count = packed.size() / sizeof(float);
  values.resize(before + count);
  if (count) std::memcpy(values.data() + before, packed.data(), packed.size());
}

void ProtoMessage::reals64(const char* name, std::vector<double>& values) {
  if (wire_ != kBytes) {
    values.push_back(real64(name));
    return;
  }
  const std::string_view packed = span(name);
  if (packed.size() % sizeof(double) != 0) {
    fail("field " + path_of(name) + ": " + std::to_string(packed.size()) +
         " bytes are no whole number of doubles");
  }
  const size_t before = values.size(), count = packed.size() / sizeof(double);
  values.resize(before + count);
  if (count) std::memcpy(values.data() + before, packed.data(), packed.size());
}

void ProtoMessage::skip() {
  constexpr const char* name = "unknown";
  if (wire_ == kVarint) {
    varint(name);
  } else if (wire_ == kBytes) {
    span(name);
  } else if (wire_ == kFixed32) {
    fixed<uint32_t>(name);
  } else {
    fixed<uint64_t>(name);
  }
}

}  // namespace varve::formats
