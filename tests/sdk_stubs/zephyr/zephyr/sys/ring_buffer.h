#ifndef STUB_ZEPHYR_SYS_RING_BUFFER_H_
#define STUB_ZEPHYR_SYS_RING_BUFFER_H_

#include <stdint.h>

struct ring_buf {
  uint8_t *buffer;
  uint32_t size;
  uint64_t put, got;  // bytes ever
};

#define RING_BUF_DECLARE(name, size8)            \
  static uint8_t ring_buffer_data_##name[size8]; \
  struct ring_buf name = {ring_buffer_data_##name, size8, 0, 0}

uint32_t ring_buf_put_claim(struct ring_buf *buf, uint8_t **data, uint32_t size);
int ring_buf_put_finish(struct ring_buf *buf, uint32_t size);
uint32_t ring_buf_put(struct ring_buf *buf, const uint8_t *data, uint32_t size);
uint32_t ring_buf_get_claim(struct ring_buf *buf, uint8_t **data, uint32_t size);
int ring_buf_get_finish(struct ring_buf *buf, uint32_t size);
uint32_t ring_buf_get(struct ring_buf *buf, uint8_t *data, uint32_t size);

#endif
