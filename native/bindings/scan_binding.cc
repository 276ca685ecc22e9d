#include "bindings/scan_binding.h"

namespace g8ufs {

void RegisterScan(Napi::Env /*env*/, Napi::Object /*exports*/) {}

}  // namespace g8ufs
