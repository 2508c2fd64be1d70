#pragma once
/// \file
/// Spans marked by tags in one of the schemes of nn/structured/tag_rules.hpp: IOB1, IOB2, BIOES (Tjong Kim Sang and Veenstra,
/// "Representing text chunks", EACL 1999; Ratinov and Roth, "Design challenges and misconceptions in named entity
/// recognition", CoNLL 2009).

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../../core/shape.hpp"
#include "../../nn/structured/tag_rules.hpp"

namespace unroll {

/// Tokens begin .. end-1 are one span.
struct TagSpan {
  Index begin = 0, end = 0;
  std::string type;  ///< what stands after the first '-'; may be empty
  friend auto operator<=>(const TagSpan&, const TagSpan&) = default;
};

/// The spans that tags mark, by the rules of the scorer of CoNLL-2000 (conlleval 2004-01-26), which make sense of any
/// order of tags, valid or not. A tag (prefix p, type x) after one (q, y); before the first and after the last is O:
///
/// - A span starts at p when p is B or S; when p is I or E and q is O, E or S; when p is not O and x differs from y.
/// - A span ends after q when q is E or S; when q is B or I and p is O, B or S; when q is not O and x differs from y.
///
/// So every token that is not O is in exactly one span, and valid tags of one text give the same spans in all three
/// schemes. For B, I and O these are the script's own tables. It was written before BIOES: it has no S, its E stands
/// for schemes without B, and a B after an E of the same type goes on with that span; here S and E close their span, as
/// in the script's later translations.
///
/// Throws ValueError for a tag that is neither O nor B, I, E or S, alone or followed by '-' and a type.
std::vector<TagSpan> spans_of(std::span<const std::string> tags);

/// The tags of `length` tokens. Spans in any order. Throws ValueError when two overlap, or one is empty or not within.
std::vector<std::string> tags_of(std::span<const TagSpan> spans, Index length, TagScheme scheme);

/// `tags_of(spans_of(tags), ...)`: the same spans in another scheme. Throws as spans_of.
std::vector<std::string> convert_tags(std::span<const std::string> tags, TagScheme to);

/// The first tag that changes when the same spans are written in this scheme; nothing when none does: the tags are then
/// valid in it. (Of `B O` it is the B in BIOES, whose span of one token wants an S.)
/// Throws as spans_of.
std::optional<Index> first_invalid_tag(std::span<const std::string> tags, TagScheme scheme);

/// The schemes in which all of these sentences are valid, in the order of the enumeration: none when they contradict
/// each other, all when there is no span, and more than one where the spans leave it open. Throws as spans_of.
std::vector<TagScheme> possible_schemes(std::span<const std::vector<std::string>> sentences);

/// "IOB1", "IOB2", "BIOES".
const char* name_of(TagScheme scheme);

}  // namespace unroll
