// What an error says: tests hold errors by their text.
#pragma once
#include <gtest/gtest.h>

#include <exception>
#include <string>

#include "varve/error.h"

namespace varve::test {

/// What `say` tells of the E that `f` throws; "no error" where it throws none. An exception of
/// another type fails the test, whatever is asked of the text.
template <class E, class F, class Say>
std::string told_by(F&& f, Say&& say) {
  try {
    f();
  } catch (const E& e) {
    return say(e);
  } catch (const std::exception& e) {
    const std::string text = std::string("another type of error: ") + e.what();
    ADD_FAILURE() << text;
    return text;
  }
  return "no error";
}

/// The message alone, without hint and place.
template <class E = Error, class F>
std::string message_of(F&& f) {
  return told_by<E>(f, [](const E& e) { return e.message(); });
}

/// The whole text: message, hint and place.
template <class E = Error, class F>
std::string text_of(F&& f) {
  return told_by<E>(f, [](const E& e) { return std::string(e.what()); });
}

/// The error itself. No error fails the test, and so does one of another type, which passes
/// through.
template <class E = Error, class F>
E error_of(F&& f) {
  try {
    f();
  } catch (const E& e) {
    return e;
  }
  ADD_FAILURE() << "no error";
  return E("no error");
}

/// The name of an error's type.
inline std::string type_of(const Error& e) {
  if (dynamic_cast<const ShapeError*>(&e)) return "ShapeError";
  if (dynamic_cast<const DTypeError*>(&e)) return "DTypeError";
  if (dynamic_cast<const IndexError*>(&e)) return "IndexError";
  if (dynamic_cast<const ValueError*>(&e)) return "ValueError";
  if (dynamic_cast<const IoError*>(&e)) return "IoError";
  if (dynamic_cast<const FormatError*>(&e)) return "FormatError";
  if (dynamic_cast<const ConfigError*>(&e)) return "ConfigError";
  if (dynamic_cast<const NumericError*>(&e)) return "NumericError";
  if (dynamic_cast<const DeviceError*>(&e)) return "DeviceError";
  if (dynamic_cast<const DistributedError*>(&e)) return "DistributedError";
  if (dynamic_cast<const UnsupportedError*>(&e)) return "UnsupportedError";
  if (dynamic_cast<const InternalError*>(&e)) return "InternalError";
  return "Error";
}

}  // namespace varve::test
