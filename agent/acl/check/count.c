// A plugin of qemu-user that counts the instructions of the emulated processor
// between two markers: getpid with 1 and with 2 as a first argument, which the
// kernel ignores. For one thread: the counter is not atomic.
//
// Debian ships qemu with plugins but without their header; what is declared here
// is version 1 of that interface.
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef uint64_t plugin_id;
struct tb;
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct tb *));
void qemu_plugin_register_vcpu_syscall_cb(plugin_id, void (*)(plugin_id, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                                                              uint64_t, uint64_t, uint64_t));
size_t qemu_plugin_tb_n_insns(const struct tb *);
enum { add_u64 = 0 };
void qemu_plugin_register_vcpu_tb_exec_inline(struct tb *, int op, void *p, uint64_t immediate);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

static uint64_t count, start;

static void translated(plugin_id id, struct tb *tb) {
  (void)id;
  qemu_plugin_register_vcpu_tb_exec_inline(tb, add_u64, &count, qemu_plugin_tb_n_insns(tb));
}

static void called(plugin_id id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g,
                   uint64_t h) {
  (void)id, (void)cpu, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
  if (number != 172) return;  // getpid of Linux on arm64
  if (a == 1) start = count;
  if (a == 2) fprintf(stderr, "instructions %llu\n", (unsigned long long)(count - start));
}

__attribute__((visibility("default"))) int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv) {
  (void)info, (void)argc, (void)argv;
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_vcpu_syscall_cb(id, called);
  return 0;
}
