/**
 * The system calls that programs of an ordinary container may use: an allow list, by what the calls are for. What
 * is not on it answers EPERM: loading modules, mounting, new namespaces, setting the clock, BPF, userfaultfd, key
 * rings, io_uring, opening by handle. Pure.
 */

/** The part of an OCI configuration that is about seccomp. */
export interface SeccompProfile {
  readonly defaultAction: 'SCMP_ACT_ERRNO';
  readonly defaultErrnoRet: number;
  readonly architectures: readonly string[];
  readonly syscalls: readonly SeccompRule[];
}

interface SeccompRule {
  readonly names: readonly string[];
  readonly action: 'SCMP_ACT_ALLOW' | 'SCMP_ACT_ERRNO';
  readonly errnoRet?: number;
  readonly args?: readonly SeccompArgument[];
}

interface SeccompArgument {
  readonly index: number;
  readonly value: number;
  readonly valueTwo?: number;
  readonly op: 'SCMP_CMP_EQ' | 'SCMP_CMP_NE' | 'SCMP_CMP_MASKED_EQ';
}

const EPERM = 1;
const ENOSYS = 38;
/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET. */
const NAMESPACE_FLAGS = 0x7e020000;
const AF_VSOCK = 40;

/** Opening, reading, writing and describing files, with capabilities checked by the kernel as always. */
const FILES = `access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat
  faccessat2 fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl
  fcntl64 fdatasync fgetxattr flistxattr flock fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64
  fsync ftruncate ftruncate64 futimesat getcwd getdents getdents64 getxattr getxattrat ioctl lchown lchown32
  lgetxattr link linkat listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64 mkdir
  mkdirat mknod mknodat name_to_handle_at newfstatat open openat openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read
  readahead readlink readlinkat readv removexattr removexattrat rename renameat renameat2 rmdir sendfile
  sendfile64 setxattr setxattrat splice stat stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range
  sync_file_range2 syncfs tee truncate truncate64 umask unlink unlinkat utime utimensat utimensat_time64 utimes
  vmsplice write writev`;

/** The own memory. */
const MEMORY = `brk get_mempolicy madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2
  mlockall mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect
  remap_file_pages set_mempolicy`;

/** Starting, waiting for and ending processes; clone has rules of its own below. */
const PROCESSES = `capget capset chroot execve execveat exit exit_group fork getegid getegid32 geteuid geteuid32 getgid
  getgid32 getgroups getgroups32 getpgid getpgrp getpid getppid getpriority getresgid getresgid32 getresuid
  getresuid32 getrlimit getrusage getsid gettid getuid getuid32 kill pidfd_open pidfd_send_signal prctl prlimit64
  sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min
  sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr
  sched_setparam sched_setscheduler sched_yield setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups
  setgroups32 setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid
  setreuid32 setrlimit setsid set_tid_address setuid setuid32 tgkill times tkill ugetrlimit vfork wait4 waitid
  waitpid`;

/** Debuggers; whose memory they reach is bounded by the PID namespace and by capabilities. */
const DEBUGGING = 'process_vm_readv process_vm_writev ptrace';

/** Threads and what they wait at. */
const THREADS = `arch_prctl futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake getcpu
  get_robust_list get_thread_area modify_ldt restart_syscall rseq set_robust_list set_thread_area`;

/** Signals, timers and reading the clock: setting it is not among them. */
const TIME = `alarm clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep
  clock_nanosleep_time64 getitimer gettimeofday nanosleep pause rt_sigaction rt_sigpending rt_sigprocmask
  rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo setitimer
  sigaltstack signalfd signalfd4 sigprocmask sigreturn time timer_create timer_delete timer_getoverrun
  timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64
  timerfd_settime timerfd_settime64`;

/** Waiting for files, and being told of changes in folders. */
const EVENTS = `epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
  epoll_wait_old eventfd eventfd2 fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch
  io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit _newselect poll ppoll
  ppoll_time64 pselect6 pselect6_time64 select`;

/** Sockets and pipes; socket has a rule of its own below. */
const NETWORK = `accept accept4 bind connect getpeername getsockname getsockopt listen pipe pipe2 recv recvfrom
  recvmmsg recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair`;

/** System V and POSIX queues and memory, which the IPC namespace keeps apart. */
const IPC = `ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend
  mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat
  shmctl shmdt shmget`;

/** Facts of the machine, and limits that a program puts on itself. */
const REST = `getrandom ioprio_get ioprio_set landlock_add_rule landlock_create_ruleset landlock_restrict_self
  seccomp sysinfo uname`;

const ALLOWED = [
  FILES,
  MEMORY,
  PROCESSES,
  DEBUGGING,
  THREADS,
  TIME,
  EVENTS,
  NETWORK,
  IPC,
  REST,
].flatMap((group) => group.split(/\s+/));

/** Kernels run programs of these besides their own. */
const ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  x64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
};

/** @param arch as `process.arch` says it */
export function defaultSeccomp(arch: string): SeccompProfile {
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: EPERM,
    architectures: ARCHITECTURES[arch] ?? [],
    syscalls: [
      { names: ALLOWED, action: 'SCMP_ACT_ALLOW' },
      {
        names: ['clone'],
        action: 'SCMP_ACT_ALLOW',
        args: [{ index: 0, value: NAMESPACE_FLAGS, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
      },
      // Its flags are in memory, where a filter cannot look: the C library then falls back to clone.
      { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS },
      {
        // Sockets of virtual machines reach the host past every network namespace.
        names: ['socket'],
        action: 'SCMP_ACT_ALLOW',
        args: [{ index: 0, value: AF_VSOCK, op: 'SCMP_CMP_NE' }],
      },
      // What programs ask when they find out which personality they have: Linux, 32 bit, or none.
      ...[0x0, 0x8, 0x20000, 0x20008, 0xffffffff].map(
        (value): SeccompRule => ({
          names: ['personality'],
          action: 'SCMP_ACT_ALLOW',
          args: [{ index: 0, value, op: 'SCMP_CMP_EQ' }],
        }),
      ),
    ],
  };
}
