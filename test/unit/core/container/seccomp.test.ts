import assert from 'node:assert/strict';
import test from 'node:test';
import { defaultSeccomp } from '../../../../src/core/container/seccomp.ts';

test('defaultSeccomp() allows what programs need and nothing that concerns the machine', () => {
  const { syscalls, architectures } = defaultSeccomp('x64');
  const allowed = new Set(
    syscalls
      .filter(({ action, args }) => action === 'SCMP_ACT_ALLOW' && !args)
      .flatMap(({ names }) => names),
  );
  for (const name of ['read', 'execve', 'futex', 'chroot', 'mknodat'])
    assert.ok(allowed.has(name), name);
  const refused = `mount umount2 move_mount open_tree fsopen pivot_root setns unshare clone clone3 init_module
    finit_module delete_module kexec_load reboot swapon settimeofday clock_settime adjtimex bpf perf_event_open
    userfaultfd keyctl add_key request_key io_uring_setup open_by_handle_at iopl ioperm syslog quotactl acct
    fanotify_init personality socket`;
  for (const name of refused.split(/\s+/)) assert.ok(!allowed.has(name), name);
  assert.ok([...allowed].every((name) => /^[a-z0-9_]+$/.test(name)));
  assert.equal(architectures[0], 'SCMP_ARCH_X86_64');
  assert.deepEqual(defaultSeccomp('arm64').architectures, ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM']);
});
