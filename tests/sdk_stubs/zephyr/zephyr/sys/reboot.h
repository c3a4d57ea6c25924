#ifndef STUB_ZEPHYR_SYS_REBOOT_H_
#define STUB_ZEPHYR_SYS_REBOOT_H_

#define SYS_REBOOT_COLD 1

void sys_reboot(int type) __attribute__((noreturn));

#endif
