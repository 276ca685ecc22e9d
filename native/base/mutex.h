// Mutex, scoped lock and condition variable with thread-safety annotations: clang's -Wthread-safety
// checks which lock guards which field, other compilers ignore the macros. Header only.
#ifndef G8UFS_NATIVE_BASE_MUTEX_H_
#define G8UFS_NATIVE_BASE_MUTEX_H_

#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define G8UFS_ANNOTATION(x) __attribute__((x))
#else
#define G8UFS_ANNOTATION(x)
#endif

#define GUARDED_BY(mutex) G8UFS_ANNOTATION(guarded_by(mutex))
#define REQUIRES_LOCK(...) G8UFS_ANNOTATION(requires_capability(__VA_ARGS__))
#define EXCLUDES_LOCK(...) G8UFS_ANNOTATION(locks_excluded(__VA_ARGS__))

namespace g8ufs {

class G8UFS_ANNOTATION(capability("mutex")) Mutex {
 public:
  void Lock() G8UFS_ANNOTATION(acquire_capability()) { mutex_.lock(); }
  void Unlock() G8UFS_ANNOTATION(release_capability()) { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class G8UFS_ANNOTATION(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) G8UFS_ANNOTATION(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.Lock();
  }
  ~MutexLock() G8UFS_ANNOTATION(release_capability()) { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Waits may return without a reason: the caller checks its condition in a loop.
class CondVar {
 public:
  void Wait(Mutex& mutex) REQUIRES_LOCK(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  void WaitUntil(Mutex& mutex, std::chrono::steady_clock::time_point time) REQUIRES_LOCK(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait_until(lock, time);
    lock.release();
  }
  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_BASE_MUTEX_H_
