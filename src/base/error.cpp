#include "varve/error.h"

#include "base/error.h"

namespace varve {
namespace {

std::string compose(const std::string& message, const std::string& hint, const std::string& at) {
  std::string text = message;
  if (!hint.empty()) text += "\n  hint: " + hint;
  if (!at.empty()) text += "\n  at " + at;
  return text;
}

}  // namespace

std::string Where::to_string() const {
  if (line == 0) return {};
  std::string_view name = file;
  if (auto slash = name.rfind('/'); slash != name.npos) name.remove_prefix(slash + 1);
  return std::string(name) + ":" + std::to_string(line);
}

Error::Error(std::string message, std::string hint, std::string at)
    : std::runtime_error(compose(message, hint, at)),
      message_(std::move(message)),
      hint_(std::move(hint)),
      at_(std::move(at)) {}

void check_failed(const char* condition, Where where) {
  throw InternalError(std::string("broken invariant: ") + condition,
                      "this is a bug of Varve; please report it", where.to_string());
}

std::string escaped(std::string_view text, size_t limit) {
  static constexpr char hex[] = "0123456789abcdef";
  std::string out;
  for (char c : text.substr(0, limit)) {
    auto u = static_cast<unsigned char>(c);
    if (u >= 0x20 && u != 0x7f) {
      out += c;
    } else {
      out += {'\\', 'x', hex[u >> 4], hex[u & 15]};
    }
  }
  if (text.size() > limit) out += "...";
  return out;
}

std::string closest(std::string_view given, const std::vector<std::string>& choices) {
  std::string best;
  // More than a third of the letters wrong is no slip of the finger.
  size_t best_distance = given.size() / 3 + 1;
  for (const std::string& choice : choices) {
    std::vector<size_t> row(choice.size() + 1);
    for (size_t j = 0; j <= choice.size(); ++j) row[j] = j;
    for (size_t i = 1; i <= given.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i;
      for (size_t j = 1; j <= choice.size(); ++j) {
        size_t substitute = diagonal + (given[i - 1] == choice[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
      }
    }
    if (row.back() <= best_distance && (best.empty() || row.back() < best_distance)) {
      best = choice;
      best_distance = row.back();
    }
  }
  return best;
}

std::string did_you_mean(std::string_view given, const std::vector<std::string>& choices) {
  if (std::string best = closest(given, choices); !best.empty()) {
    return "did you mean \"" + best + "\"?";
  }
  std::string list;
  for (const std::string& choice : choices) list += (list.empty() ? "" : ", ") + choice;
  return "choices: " + list;
}

}  // namespace varve
