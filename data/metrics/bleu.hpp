#pragma once
/// \file
/// BLEU, as sacreBLEU computes it.

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../../core/shape.hpp"

namespace unroll {

/// A BLEU score and what it is made of.
struct Bleu {
  double score = 0;                   ///< 0 .. 100
  std::array<Index, 4> matches = {};  ///< n-grams of the guesses that references have, each as often as those at most
  std::array<Index, 4> totals = {};   ///< n-grams of the guesses
  std::array<double, 4> precisions = {};  ///< percent, smoothed
  double brevity_penalty = 0;
  Index guess_length = 0, reference_length = 0;  ///< in tokens

  /// "BLEU = 48.53 82.4/50.0/45.5/37.5 (BP = 0.943 ratio = 0.944 hyp_len = 17 ref_len = 18)", as sacreBLEU prints it.
  std::string text() const;
};

struct BleuOptions {
  /// Guesses and references are cut by tokenize_13a; without, at white space only.
  bool tokenize = true;
  /// Leaves out the orders for which the guesses have no n-gram at all, for single short sentences
  /// (sacreBLEU's `effective_order`, which its sentence_bleu sets).
  bool effective_order = false;
};

/// Corpus BLEU (Papineni, Roukos, Ward and Zhu, "BLEU: a method for automatic evaluation of machine translation", ACL
/// 2002) with the choices that sacreBLEU 2 makes by default (Post, "A call for clarity in reporting BLEU scores", WMT
/// 2018; signature `nrefs:R|case:mixed|eff:no|tok:13a|smooth:exp`):
///
/// - p_n = 100 * matches_n / totals_n for n = 1 .. 4, counts summed over the corpus, an n-gram matched no more often
///   than it is in the reference that has it most often;
/// - exponential smoothing: the k-th of the orders without a match has p_n = 100 / (2^k totals_n) (Chen and Cherry, "A
///   systematic comparison of smoothing techniques for sentence-level BLEU", WMT 2014, method 3);
/// - brevity penalty exp(1 - r / c) where the guesses' c tokens are fewer than the references' r, of several references
///   that one whose length is closest, the shorter of two as close;
/// - score = penalty * (p_1 p_2 p_3 p_4)^(1/4); 0 when nothing matches, or an order has no n-gram.
///
/// `references[k]` are those of `guesses[k]`, one or more. Throws ValueError when there are more of one than of the
/// other, a guess has no reference, or a text is not UTF-8.
Bleu corpus_bleu(std::span<const std::string> guesses, std::span<const std::vector<std::string>> references,
                 const BleuOptions& options = {});
/// One reference each.
Bleu corpus_bleu(std::span<const std::string> guesses, std::span<const std::string> references,
                 const BleuOptions& options = {});

/// The tokens of mteval-v13a.pl as sacreBLEU's "13a" has them: "<skipped>" and hyphens at line ends go, &quot; &amp;
/// &lt; &gt; become their characters; ASCII marks other than ' , - . are tokens by themselves, '.' and ',' too unless
/// digits are on both sides, '-' after a digit; then white space parts. Throws ValueError where `text` is not UTF-8.
std::vector<std::string> tokenize_13a(std::string_view text);

}  // namespace unroll
