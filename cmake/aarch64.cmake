# Toolchain file for 64-bit ARM: Debian's cross compiler, and qemu to run what it makes. The packages that are headers
# alone are this machine's; the compiler looks into /usr/include last.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static -L /usr/aarch64-linux-gnu)
file(GLOB CMAKE_PREFIX_PATH "/usr/lib/*-linux-gnu/cmake")
