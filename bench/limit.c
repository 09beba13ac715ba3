/* What a relay with nothing else to do would reach: one send() for each frame.
 *
 *   limit PORT SOCKETS BURST SIZE
 *
 * Says "listening" on stdout, answers 101 to SOCKETS WebSockets without looking at
 * them, and at a line on stdin writes BURST messages of SIZE bytes to each, as `load`
 * counts them. Ends with its stdin.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ACCEPTED \
  "HTTP/1.1 101 Switching Protocols\r\n" \
  "Upgrade: websocket\r\n" \
  "Connection: Upgrade\r\n" \
  "Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n" \
  "\r\n"

enum { STAMP_AT = 7, STAMP_SIZE = 19 }; /* behind {"at":" */

static unsigned char *frame, *text;
static size_t frame_size;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static int listen_on(int port) {
  int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&here, sizeof here) < 0) die("bind");
  if (listen(listener, 4096) < 0) die("listen");
  return listener;
}

static int welcome(int listener) {
  char request[4096];
  int one = 1, client = accept(listener, NULL, NULL);
  if (client < 0) die("accept");
  setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  /* Our own load sends its request in one write, and nothing after it. */
  if (read(client, request, sizeof request) <= 0) die("read");
  if (write(client, ACCEPTED, strlen(ACCEPTED)) < 0) die("write");
  return client;
}

static void make_frame(size_t size) {
  static const char begin[] = "{\"at\":\"", middle[] = "\",\"pad\":\"", end[] = "\"}";
  const size_t least = STAMP_AT + STAMP_SIZE + sizeof middle - 1 + sizeof end - 1;
  if (size < least) size = least;
  size_t width = size < 126 ? 0 : size < 65536 ? 2 : 8;
  frame_size = 2 + width + size;
  frame = malloc(frame_size);
  if (!frame) die("malloc");
  frame[0] = 0x81;
  frame[1] = (unsigned char)(width == 0 ? size : width == 2 ? 126 : 127);
  for (size_t i = 0; i < width; i++)
    frame[2 + i] = (unsigned char)(size >> 8 * (width - 1 - i));
  text = frame + 2 + width;
  memset(text, 'x', size);
  memcpy(text, begin, sizeof begin - 1);
  memcpy(text + STAMP_AT + STAMP_SIZE, middle, sizeof middle - 1);
  memcpy(text + size - (sizeof end - 1), end, sizeof end - 1);
}

static void stamp(void) {
  char digits[32];
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  uint64_t now = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
  snprintf(digits, sizeof digits, "%019llu", (unsigned long long)now);
  memcpy(text + STAMP_AT, digits, STAMP_SIZE);
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  int sockets = atoi(argv[2]), burst = atoi(argv[3]);
  int *clients = malloc((size_t)sockets * sizeof *clients);
  if (!clients) die("malloc");
  make_frame((size_t)atol(argv[4]));
  int listener = listen_on(atoi(argv[1]));
  puts("listening");
  fflush(stdout);
  for (int i = 0; i < sockets; i++) clients[i] = welcome(listener);
  while (getchar() == '\n')
    for (int k = 0; k < burst; k++) {
      stamp();
      for (int i = 0; i < sockets; i++)
        if (send(clients[i], frame, frame_size, MSG_NOSIGNAL) < 0) die("send");
    }
  return 0;
}
