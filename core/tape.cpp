#include "tape.hpp"

#include <algorithm>

#include "error.hpp"
#include "recorder.hpp"

namespace unroll {

template <class T>
Tape<T>::Tape(std::uint64_t seed) : rng_(seed), recorder_(std::make_unique<detail::Recorder<T>>(*this)) {}
template <class T>
Tape<T>::~Tape() = default;

template <class T>
void Tape<T>::backward(const Variable<T>& loss) {
  detail::Node<T>* node = detail::Recorder<T>::use(detail::current_recorder<T>, "backward", loss);
  if (current_tape<T> != this)
    throw WrongTapeError(
        "[backward] this tape is not the one recording now; expected a call on the tape of the innermost scope");
  recorder_->backward(*node);
}

template <class T>
bool Tape<T>::training() const {
  return recorder_->training();
}
template <class T>
bool Tape<T>::recording() const {
  return recorder_->recording();
}
template <class T>
Index Tape<T>::nodes() const {
  return recorder_->nodes_;
}
template <class T>
std::size_t Tape<T>::bytes_used() const {
  return recorder_->arena_.bytes_used() + (recorder_->inner_ ? recorder_->inner_->bytes_used() : 0);
}
template <class T>
std::size_t Tape<T>::bytes_reserved() const {
  return recorder_->arena_.bytes_reserved() + (recorder_->inner_ ? recorder_->inner_->bytes_reserved() : 0);
}

template <class T>
void* Tape<T>::allocate_bytes(std::size_t bytes, std::size_t align) {
  const std::size_t least = bytes < Arena::alignment ? 16 : Arena::alignment;
  return recorder_->arena_.allocate(bytes, std::max(align, least));
}
template <class T>
void Tape<T>::destroy_later(void* object, void (*destroy)(void*)) {
  recorder_->kept_objects_.emplace_back(object, destroy);
}
template <class T>
void Tape<T>::open(bool recording, bool training) {
  recorder_->open(recording, training);
}
template <class T>
void Tape<T>::close() noexcept {
  recorder_->close();
}

template class Tape<float>;
template class Tape<double>;

}  // namespace unroll
