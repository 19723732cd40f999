#include "varve/fields.h"

namespace varve {

void Fields::operator()(const char* name, Dim& value, const char* doc, IntRule rule) {
  visit({name, doc, &value, rule, {}});
}
void Fields::operator()(const char* name, int& value, const char* doc, IntRule rule) {
  visit({name, doc, &value, rule, {}});
}
void Fields::operator()(const char* name, Real& value, const char* doc, RealRule rule) {
  visit({name, doc, &value, {}, rule});
}
void Fields::operator()(const char* name, bool& value, const char* doc) {
  visit({name, doc, &value});
}
void Fields::operator()(const char* name, std::string& value, const char* doc) {
  visit({name, doc, &value});
}
void Fields::operator()(const char* name, Shape& value, const char* doc, IntRule rule) {
  visit({name, doc, &value, rule, {}});
}
void Fields::operator()(const char* name, DType& value, const char* doc) {
  visit({name, doc, &value});
}
void Fields::operator()(const char* name, Padding& value, const char* doc) {
  visit({name, doc, &value});
}
void Fields::operator()(const char* name, DataFormat& value, const char* doc) {
  visit({name, doc, &value});
}
void Fields::operator()(const char* name, Extents<1>& value, const char* doc, IntRule rule) {
  visit({name, doc, &value, rule, {}});
}
void Fields::operator()(const char* name, Extents<2>& value, const char* doc, IntRule rule) {
  visit({name, doc, &value, rule, {}});
}
void Fields::operator()(const char* name, Extents<3>& value, const char* doc, IntRule rule) {
  visit({name, doc, &value, rule, {}});
}
void Fields::operator()(const char* name, std::vector<int>& value, const char* doc, IntRule rule) {
  visit({name, doc, &value, rule, {}});
}
void Fields::operator()(const char* name, std::vector<std::string>& value, const char* doc) {
  visit({name, doc, &value});
}
void Fields::operator()(const char* name, std::vector<double>& value, const char* doc,
                        RealRule rule) {
  visit({name, doc, &value, {}, rule});
}
void Fields::operator()(const char* name, std::optional<double>& value, const char* doc,
                        RealRule rule) {
  visit({name, doc, &value, {}, rule});
}
void Fields::operator()(const char* name, std::optional<int64_t>& value, const char* doc,
                        IntRule rule) {
  visit({name, doc, &value, rule, {}});
}
void Fields::function(const char* name, bool set, const char* doc) {
  visit({name, doc, FunctionField{set}});
}
void Fields::visit_choice(const char* name, ChoiceField& value, const char* doc) {
  visit({name, doc, &value});
}

}  // namespace varve
