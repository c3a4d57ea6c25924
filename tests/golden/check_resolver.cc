// Says what RegisterOps registers with the stub of TFLite Micro's resolver, and that a failing call is reported.
#include <cstdio>

#include "op_resolver.h"

int main() {
  edgekit::OpResolver ops;
  std::printf("first %s", edgekit::RegisterOps(ops) == kTfLiteOk ? "ok" : "error");
  for (unsigned int i = 0; i < ops.GetRegistrationLength(); ++i) {
    std::printf(" %s", ops.RegistrationName(i));
  }
  std::printf("\nsecond %s\n", edgekit::RegisterOps(ops) == kTfLiteOk ? "ok" : "error");
  return 0;
}
