// Texts that tests look into.
#pragma once
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "support/folder.h"

namespace varve::test {

/// How often a part stands in a text.
inline int count(std::string_view text, std::string_view part) {
  int n = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + part.size())) ++n;
  return n;
}

/// docs/<name> is this text. With VARVE_WRITE_DOCS set it is written first (`make docs`).
inline void expect_document(const std::string& name, const std::string& text) {
  const std::string path = VARVE_SOURCE_DIR "/docs/" + name;
  if (std::getenv("VARVE_WRITE_DOCS")) write_text(path, text);
  EXPECT_TRUE(read_text(path) == text) << path << " is out of date; `make docs` writes it anew";
}

}  // namespace varve::test
