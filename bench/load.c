/* Holds many WebSockets to 127.0.0.1 and counts the messages that arrive on them.
 *
 *   load FILE SOURCE
 *
 * FILE has a line "PORT PATH" for each socket. SOURCE, 0 to 255, keeps the addresses
 * that this process connects from apart: 127.1.SOURCE.x.
 *
 * Says one line of JSON on stdout once each socket is open or refused, and one for
 * each line on stdin:
 *
 *   count   how many messages have arrived since the last "take"
 *   take    the same with their ages, and starts to count anew
 *
 * Ends with its stdin. A message counts if it begins with {"at":"<19 digits>, the
 * CLOCK_MONOTONIC of its publisher in nanoseconds; one from before the last "take"
 * counts as late.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

enum {
  WINDOW = 200,       /* handshakes at a time */
  PER_ADDRESS = 20000, /* an address has about 28,000 ports for one destination */
  BLOCK = 1 << 18,    /* bytes read at a time */
  FRAME_MAX = 1 << 22,
  STAMP_AT = 7,       /* behind {"at":" */
  STAMP_SIZE = 19,
};

enum state { CONNECTING, SHAKING, OPEN, GONE };

struct client {
  int fd, port;
  enum state state;
  char *path;
  unsigned char *kept; /* the beginning of what has not arrived in whole */
  size_t kept_size;
};

static struct client *clients;
static int sockets, started, pending, open_sockets, refused, closed;
static char reason[100]; /* of the first refusal */
static int source, poller;

static uint32_t *ages; /* microseconds */
static size_t messages, ages_room;
static uint64_t late, first_ns, last_ns, taken_ns;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

/* What became of the sockets */

static void note_reason(const char *text, size_t size) {
  size_t n = 0;
  if (reason[0]) return;
  while (n < size && n < sizeof reason - 1 && text[n] >= ' ' && text[n] < 127) {
    reason[n] = text[n] == '"' || text[n] == '\\' ? '\'' : text[n];
    n++;
  }
}

static void leave(struct client *c) {
  if (c->fd >= 0) close(c->fd);
  if (c->state == OPEN) {
    open_sockets--;
    closed++;
  } else {
    pending--;
    refused++;
  }
  free(c->kept);
  c->kept = NULL;
  c->kept_size = 0;
  c->fd = -1;
  c->state = GONE;
}

static void leave_because(struct client *c, int error) {
  const char *text = strerror(error);
  note_reason(text, strlen(text));
  leave(c);
}

static void watch(struct client *c, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = c};
  if (epoll_ctl(poller, operation, c->fd, &event) < 0) die("epoll_ctl");
}

/* Handshakes */

static void start(struct client *c, int number) {
  int one = 1;
  struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
  from.sin_addr.s_addr =
      htonl(0x7f010001u + ((unsigned)source << 8) + (unsigned)(number / PER_ADDRESS));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons((uint16_t)c->port);
  c->state = CONNECTING;
  pending++;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c->fd < 0) {
    leave_because(c, errno);
    return;
  }
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  if (bind(c->fd, (struct sockaddr *)&from, sizeof from) < 0 ||
      (connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS)) {
    leave_because(c, errno);
    return;
  }
  watch(c, EPOLL_CTL_ADD, EPOLLOUT);
}

static void on_connected(struct client *c) {
  char request[1024];
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error) {
    leave_because(c, error);
    return;
  }
  int length = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\n"
                        "Host: 127.0.0.1:%d\r\n"
                        "Upgrade: websocket\r\n"
                        "Connection: Upgrade\r\n"
                        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                        "Sec-WebSocket-Version: 13\r\n"
                        "\r\n",
                        c->path, c->port);
  if (write(c->fd, request, (size_t)length) != length) {
    leave_because(c, errno);
    return;
  }
  c->state = SHAKING;
  watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

/* Returns how much of the data is the answer's head: 0 while it is not complete. */
static size_t take_head(struct client *c, const unsigned char *data, size_t size) {
  static const char accepted[] = "HTTP/1.1 101";
  const unsigned char *end = memmem(data, size, "\r\n\r\n", 4);
  if (!end) return 0;
  if (memcmp(data, accepted, sizeof accepted - 1)) {
    note_reason((const char *)data, size);
    leave(c);
    return 0;
  }
  c->state = OPEN;
  pending--;
  open_sockets++;
  return (size_t)(end + 4 - data);
}

/* Messages */

static void count_message(const unsigned char *text, size_t size, uint64_t arrived) {
  static const char begin[] = "{\"at\":\"";
  uint64_t stamp = 0;
  if (size < STAMP_AT + STAMP_SIZE || memcmp(text, begin, STAMP_AT)) return;
  for (int i = STAMP_AT; i < STAMP_AT + STAMP_SIZE; i++) {
    if (text[i] < '0' || text[i] > '9') return;
    stamp = stamp * 10 + (uint64_t)(text[i] - '0');
  }
  if (stamp < taken_ns) {
    late++;
    return;
  }
  if (messages == ages_room) {
    ages_room = ages_room ? ages_room * 2 : 1 << 16;
    ages = realloc(ages, ages_room * sizeof *ages);
    if (!ages) die("realloc");
  }
  ages[messages++] = arrived > stamp ? (uint32_t)((arrived - stamp) / 1000) : 0;
  if (!first_ns || stamp < first_ns) first_ns = stamp;
  last_ns = arrived;
}

static void answer_ping(struct client *c, const unsigned char *data, size_t size) {
  unsigned char pong[6 + 125] = {0x8a, (unsigned char)(0x80 | size)}; /* mask 0 */
  if (size > 125) return;
  if (size) memcpy(pong + 6, data, size);
  if (write(c->fd, pong, 6 + size) < 0) leave(c);
}

static void take_frame(struct client *c, int opcode, const unsigned char *data,
                       size_t size, uint64_t arrived) {
  if (opcode == 1)
    count_message(data, size, arrived);
  else if (opcode == 8)
    leave(c);
  else if (opcode == 9)
    answer_ping(c, data, size);
}

/* Returns the size of a frame's head, with the payload's in `size`; 0 if it is cut. */
static size_t frame_head(const unsigned char *data, size_t there, uint64_t *size) {
  if (there < 2) return 0;
  unsigned width = data[1] == 126 ? 2 : data[1] == 127 ? 8 : 0;
  if (there < 2 + width) return 0;
  *size = width ? 0 : data[1];
  for (unsigned i = 0; i < width; i++) *size = *size << 8 | data[2 + i];
  return 2 + width;
}

static size_t take_frames(struct client *c, const unsigned char *data, size_t there) {
  uint64_t arrived = now_ns(), size;
  size_t used = 0, head;
  while (c->state == OPEN && (head = frame_head(data + used, there - used, &size))) {
    if (there - used - head < size) break;
    take_frame(c, data[used] & 15, data + used + head, size, arrived);
    used += head + size;
  }
  return used;
}

static void keep(struct client *c, const unsigned char *data, size_t size) {
  if (size > FRAME_MAX) {
    leave(c);
    return;
  }
  if (!size) {
    free(c->kept);
    c->kept = NULL;
  } else {
    c->kept = realloc(c->kept, size);
    if (!c->kept) die("realloc");
    memcpy(c->kept, data, size);
  }
  c->kept_size = size;
}

static void on_readable(struct client *c) {
  static unsigned char data[FRAME_MAX + BLOCK];
  if (c->kept_size) memcpy(data, c->kept, c->kept_size);
  ssize_t got = recv(c->fd, data + c->kept_size, BLOCK, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    leave_because(c, got ? errno : ECONNRESET);
    return;
  }
  size_t there = c->kept_size + (size_t)got, used = 0;
  if (c->state == SHAKING) used = take_head(c, data, there);
  if (c->state == OPEN) used += take_frames(c, data + used, there - used);
  if (c->state != GONE) keep(c, data + used, there - used);
}

/* Answers */

static int by_age(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static uint32_t percentile(size_t percent) {
  return messages ? ages[messages * percent / 100] : 0;
}

static void take(void) {
  /* Before the answer: what is published in reply to it must not count as late. */
  taken_ns = now_ns();
  qsort(ages, messages, sizeof *ages, by_age);
  printf("{\"messages\": %zu, \"late\": %lu, \"closed\": %d, \"first_ns\": %lu, "
         "\"last_ns\": %lu, \"p50_us\": %u, \"p99_us\": %u}\n",
         messages, (unsigned long)late, closed, (unsigned long)first_ns,
         (unsigned long)last_ns, percentile(50), percentile(99));
  messages = 0;
  late = first_ns = last_ns = 0;
}

static void on_order(void) {
  char order[64];
  if (!fgets(order, sizeof order, stdin)) exit(0);
  if (!strcmp(order, "take\n"))
    take();
  else
    printf("%zu\n", messages);
}

static void read_targets(const char *name) {
  char path[1000];
  int port, room = 0;
  FILE *file = fopen(name, "r");
  if (!file) die(name);
  while (fscanf(file, "%d %999s", &port, path) == 2) {
    if (sockets == room) {
      room = room ? room * 2 : 1024;
      clients = realloc(clients, (size_t)room * sizeof *clients);
      if (!clients) die("realloc");
    }
    clients[sockets++] = (struct client){.fd = -1, .port = port, .path = strdup(path)};
  }
  fclose(file);
}

static void on_event(struct client *c) {
  if (!c)
    on_order();
  else if (c->state == CONNECTING)
    on_connected(c);
  else if (c->state != GONE)
    on_readable(c);
}

int main(int argc, char **argv) {
  struct epoll_event events[512], orders = {.events = EPOLLIN};
  if (argc != 3) return 2;
  read_targets(argv[1]);
  source = atoi(argv[2]) & 255;
  signal(SIGPIPE, SIG_IGN);
  setvbuf(stdout, NULL, _IOLBF, 0);
  setvbuf(stdin, NULL, _IONBF, 0); /* what waits in a buffer, epoll does not see */
  poller = epoll_create1(EPOLL_CLOEXEC);
  if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, 0, &orders) < 0) die("epoll");
  uint64_t began = now_ns();
  for (int said = 0;;) {
    for (; started < sockets && pending < WINDOW; started++)
      start(&clients[started], started);
    if (!said && started == sockets && !pending) {
      said = 1;
      printf("{\"open\": %d, \"refused\": %d, \"reason\": \"%s\", \"seconds\": %.4f}\n",
             open_sockets, refused, reason, (double)(now_ns() - began) / 1e9);
    }
    int ready = epoll_wait(poller, events, 512, said ? -1 : 100);
    for (int i = 0; i < ready; i++) on_event(events[i].data.ptr);
  }
}
