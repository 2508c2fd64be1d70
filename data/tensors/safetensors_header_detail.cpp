#include "safetensors_header_detail.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "../../core/error.hpp"

namespace unroll::detail {
namespace {

using Json = nlohmann::json;

// Takes the parser's events one by one. No document is built, so nothing is allocated for what is not wanted, and
// nesting is a number that goes up and down, not a stack that could overflow.
class HeaderReader {
 public:
  explicit HeaderReader(SafetensorsHeader& header) : header_(header) {}
  std::string problem;

  bool start_object(std::size_t) {
    if (ignored_ > 0) return ++ignored_, true;
    if (state_ == State::start) return state_ = State::names, true;
    if (state_ == State::name_given) {
      if (name_ == "__metadata__") return state_ = State::metadata, true;
      return state_ = State::fields, true;
    }
    return value("an object");
  }
  bool end_object() {
    if (ignored_ > 0) return close_ignored();
    if (state_ == State::metadata) return state_ = State::names, true;
    if (state_ == State::fields) {
      if (!entry_->has_dtype || !entry_->has_shape || !entry_->has_offsets)
        return refuse(tensor(), " lacks dtype, shape or data_offsets");
      return state_ = State::names, true;
    }
    return state_ = State::end, true;
  }
  bool key(std::string& text) {
    if (ignored_ > 0) return true;
    if (state_ == State::names) {
      name_ = std::move(text);
      state_ = State::name_given;
      if (name_ == "__metadata__") {
        if (std::exchange(has_metadata_, true)) return refuse("'__metadata__' is there twice");
        return true;
      }
      const auto [place, is_new] = header_.tensors.try_emplace(name_);
      entry_ = &place->second;
      return is_new || refuse(tensor(), " is there twice");
    }
    if (state_ == State::metadata) {
      const auto [place, is_new] = header_.metadata.try_emplace(std::move(text));
      text_ = &place->second;
      return is_new || refuse("metadata '", place->first, "' is there twice");
    }
    field_ = std::move(text);
    bool* has = field_ == "dtype"          ? &entry_->has_dtype
                : field_ == "shape"        ? &entry_->has_shape
                : field_ == "data_offsets" ? &entry_->has_offsets
                                           : nullptr;
    if (has && std::exchange(*has, true)) return refuse(tensor(), " has '", field_, "' twice");
    state_ = State::field_given;
    return true;
  }
  bool start_array(std::size_t) {
    if (ignored_ > 0) return ++ignored_, true;
    if (state_ == State::field_given && field_ == "shape")
      return numbers_ = &entry_->shape, state_ = State::numbers, true;
    if (state_ == State::field_given && field_ == "data_offsets")
      return numbers_ = &entry_->offsets, state_ = State::numbers, true;
    return value("an array");
  }
  bool end_array() {
    if (ignored_ > 0) return close_ignored();
    return state_ = State::fields, true;
  }
  bool string(std::string& text) {
    if (ignored_ > 0) return true;
    if (state_ == State::metadata) return *text_ = std::move(text), true;
    if (state_ == State::field_given && field_ == "dtype")
      return entry_->dtype = std::move(text), state_ = State::fields, true;
    return value("a string");
  }
  bool number_unsigned(std::uint64_t number) {
    if (ignored_ > 0) return true;
    if (state_ == State::numbers) return numbers_->push_back(number), true;
    return value("a number");
  }
  bool number_integer(std::int64_t) { return value("a negative number"); }
  bool number_float(double, const std::string&) { return value("a number with a fraction"); }
  bool null() { return value("null"); }
  bool boolean(bool) { return value("a truth value"); }
  bool binary(Json::binary_t&) { return value("binary data"); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& e) {
    // nlohmann's own sentence begins with an identifier in brackets.
    const std::string_view text = e.what();
    const auto begin = text.find("] ");
    return refuse("is no valid JSON at byte ", position, ": ", text.substr(begin == text.npos ? 0 : begin + 2));
  }

 private:
  enum class State { start, names, name_given, fields, field_given, numbers, metadata, end };

  bool refuse(const auto&... why) { return problem = detail::text(why...), false; }
  std::string tensor() const { return "tensor '" + name_ + "'"; }
  bool close_ignored() {
    if (--ignored_ == 0) state_ = State::fields;
    return true;
  }
  // A value that is not what this place asks for: skipped when it belongs to a field that we do not know (a later
  // version's), an error elsewhere.
  bool value(const char* what) {
    if (ignored_ > 0) return true;
    const std::string got = what;
    if (state_ == State::field_given && field_ != "dtype" && field_ != "shape" && field_ != "data_offsets") {
      if (got != "an object" && got != "an array") return state_ = State::fields, true;
      return ignored_ = 1, true;
    }
    if (state_ == State::start) return refuse("is ", got, "; expected an object");
    if (state_ == State::metadata) return refuse("metadata is ", got, "; expected a string");
    if (state_ == State::name_given)
      return refuse(name_ == "__metadata__" ? "'__metadata__' is " + got + "; expected an object"
                                            : tensor() + " is " + got + "; expected an object");
    return refuse(tensor(), ": '", field_, "' is or holds ", got, "; expected ",
                  field_ == "dtype" ? "a string" : "an array of whole numbers");
  }

  SafetensorsHeader& header_;
  State state_ = State::start;
  std::string name_, field_;
  SafetensorsEntry* entry_ = nullptr;
  std::string* text_ = nullptr;
  std::vector<std::uint64_t>* numbers_ = nullptr;
  bool has_metadata_ = false;
  std::size_t ignored_ = 0;  // how deep inside a value that is skipped
};

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view json, const std::string& where) {
  // The parser would skip a byte order mark and other space in front, and take a zero byte for the end.
  if (json.empty() || json.front() != '{') throw FileError(where, "header does not begin with '{'");
  if (const auto zero = json.find('\0'); zero != json.npos)
    throw FileError(where, "header is no valid JSON at byte ", zero + 1, ": a zero byte");
  SafetensorsHeader header;
  HeaderReader reader(header);
  if (!Json::sax_parse(json.begin(), json.end(), &reader)) throw FileError(where, "header ", reader.problem);
  return header;
}

std::string safetensors_header_text(std::span<const TensorView* const> order, const Metadata& metadata) {
  try {
    // Written piece by piece: a JSON object would sort the tensors otherwise than they lie in the file.
    const auto quoted = [](std::string_view text) { return Json(text).dump(); };
    std::string out = "{";
    if (!metadata.empty()) out += "\"__metadata__\":" + Json(metadata).dump();
    std::uint64_t offset = 0;
    for (const TensorView* t : order) {
      if (out.size() > 1) out += ',';
      const std::uint64_t end = offset + t->bytes.size();
      out += detail::text(quoted(t->name), ":{\"dtype\":", quoted(dtype_name(t->dtype)),
                          ",\"shape\":", Json(t->shape).dump(), ",\"data_offsets\":[", offset, ",", end, "]}");
      offset = end;
    }
    return out + "}";
  } catch (const Json::exception&) {
    throw ValueError("[write_safetensors] a name or a metadata text is not UTF-8");
  }
}

}  // namespace unroll::detail
