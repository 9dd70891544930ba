// Debian 13's compiler, which built the static library, calls this function of
// its own C++ runtime (GCC 13 and later) when an exception leaves a noexcept
// function. Debian 12's runtime, which the agent carries, lacks it.
#include <exception>

extern "C" void __cxa_call_terminate(void*) noexcept { std::terminate(); }
