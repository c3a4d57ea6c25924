#ifndef STUB_ZEPHYR_DEVICETREE_H_
#define STUB_ZEPHYR_DEVICETREE_H_

// The overlay's choice is there unless the test says otherwise.
#ifndef STUB_NO_LINE
#define STUB_HAS_edgekit_line 1
#else
#define STUB_HAS_edgekit_line 0
#endif
#define STUB_edgekit_line stub_line
#define STUB_zephyr_console stub_console

#define DT_HAS_CHOSEN(property) STUB_HAS_##property
#define DT_CHOSEN(property) STUB_##property

#endif
