#pragma once
/// \file
/// Standard MIDI files: what a piano roll sounds like.

#include <CLI/CLI.hpp>
#include <string>

#include "unroll/core/shape.hpp"
#include "unroll/data/series/piano_roll.hpp"

namespace unroll::examples {

struct MidiOptions {
  Index steps_per_quarter = 2;  ///< a step is an eighth note
  double tempo = 120;           ///< quarter notes a minute
  int program = 0;              ///< instrument of General MIDI, 0 (grand piano) .. 127
  int velocity = 80;            ///< 1 .. 127; the highest note of a step is struck harder by a fifth
};

/// Declares --tempo, --steps-per-quarter and --instrument.
void add_midi_options(CLI::App& app, MidiOptions& o);

/// A piece as the bytes of a standard MIDI file of format 0 (one track), 480 ticks a quarter note. A pitch that sounds
/// in successive steps is one long note. Throws ValueError for options out of range and for pitches outside 0 .. 127.
std::string midi_bytes(const PianoRoll& piece, const MidiOptions& options = {});

/// Checks, before hours of work, that a piece can be written later. Throws DataError when the file cannot be written,
/// ValueError as midi_bytes. An empty name is fine.
void check_midi(const std::string& path, const MidiOptions& options);

/// Writes them to a file, which appears whole or not at all. Throws FileError.
void write_midi(const std::string& path, const PianoRoll& piece, const MidiOptions& options = {});

/// Reads a standard MIDI file of format 0 or 1 with ticks by quarter notes: the notes of all tracks and channels but
/// the tenth (drums), by steps of so many a quarter note. A note sounds in the steps whose middle it covers, one that
/// covers none in the step in which it begins. Throws DataError, with file and byte, for what is no such file.
PianoRoll read_midi(const std::string& path, Index steps_per_quarter = 2);

}  // namespace unroll::examples
