#pragma once
/// \file
/// What every example's main needs: options, one clear line for each mistake.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <string>
#include <type_traits>

#include "unroll/core/shape.hpp"

namespace unroll::examples {

/// Option check: a number in low .. high (NaN is none); whole where `T` is.
template <class T>
CLI::Validator between(T low, T high) {
  const auto text = [](T x) {
    std::ostringstream s;
    s << x;
    return s.str();
  };
  const std::string range = text(low) + " .. " + text(high);
  return CLI::Validator(
      [=](std::string& given) {
        T value{};
        const bool number = CLI::detail::lexical_cast(given, value);
        return number && value >= low && value <= high ? "" : "got '" + given + "', expected " + range;
      },
      range);
}

/// Declares option `name`, a number in low .. high.
template <class T>
CLI::Option* add_number(CLI::App& app, const char* name, T& value, std::type_identity_t<T> low,
                        std::type_identity_t<T> high, const char* help) {
  return app.add_option(name, value, help)->check(between<T>(low, high))->capture_default_str();
}

/// Declares --threads, 1 .. 1024. Without it `threads` is set after parsing, to the cores there are, at most 4.
void add_threads(CLI::App& app, int& threads, const char* help);

/// printf's text as a string.
[[gnu::format(printf, 1, 2)]] std::string text(const char* format, ...);
/// printf's text as a line on stdout, at once.
[[gnu::format(printf, 1, 2)]] void print(const char* format, ...);

/// Bytes of memory this process has had at most.
Index peak_memory();
/// Bytes that are allocated now, tapes and weights among them. Without a C library that says so: peak_memory().
Index memory_in_use();

/// The shape of an example's main: reads the options that `app` declares, runs `body`, and gives the exit
/// status. 2 for a mistake on the command line, 1 for anything wrong with the data or later, one line on
/// stderr for either.
int run_program(CLI::App& app, int argc, char** argv, const std::function<void()>& body);

}  // namespace unroll::examples
