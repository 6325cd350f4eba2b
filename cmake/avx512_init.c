/* PID 1 of the guest that run-avx512.sh boots. Runs /program with the NUL-separated
 * arguments of /args; copies its stdout to the second serial port, its stderr and then
 * its exit status to the first; ends the emulator through Bochs's shutdown port. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static int open_serial(const char *path) {
  struct termios tio;
  int fd = open(path, O_RDWR | O_NOCTTY);
  if (fd >= 0 && tcgetattr(fd, &tio) == 0) {
    cfmakeraw(&tio);
    cfsetspeed(&tio, B115200);
    tcsetattr(fd, TCSANOW, &tio);
  }
  return fd;
}

static void copy_all(int fd, const char *data, ssize_t size) {
  while (size > 0) {
    ssize_t done = write(fd, data, size);
    if (done <= 0) return;
    data += done;
    size -= done;
  }
}

static void run_program(void) {
  static char args[1 << 16], *argv[4096];
  int fd = open("/args", O_RDONLY), argc = 0;
  ssize_t size = read(fd, args, sizeof args - 1);
  close(fd);
  for (char *arg = args; arg < args + size && argc < 4095; arg += strlen(arg) + 1)
    argv[argc++] = arg;
  setenv("PATH", "/", 1);
  setenv("HOME", "/tmp", 1);
  unsetenv("TERM");
  if (chdir("/tmp") == 0) execv("/program", argv);
  perror("cannot run the program in the guest");
  _exit(126);
}

int main(void) {
  mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
  mount("proc", "/proc", "proc", 0, NULL);
  mount("sysfs", "/sys", "sysfs", 0, NULL);
  mkdir("/dev/shm", 01777);
  mount("tmpfs", "/dev/shm", "tmpfs", 0, NULL);
  int serial[2] = {open_serial("/dev/ttyS1"), open_serial("/dev/ttyS0")};
  int pipes[2][2], status = 0;
  if (pipe2(pipes[0], O_CLOEXEC) != 0 || pipe2(pipes[1], O_CLOEXEC) != 0) return 1;
  pid_t pid = fork();
  if (pid == 0) {
    dup2(open("/dev/null", O_RDWR | O_CLOEXEC), 0);
    dup2(pipes[0][1], 1);
    dup2(pipes[1][1], 2);
    run_program();
  }
  struct pollfd input[2];
  for (int i = 0; i < 2; ++i) {
    close(pipes[i][1]);
    input[i] = (struct pollfd){.fd = pipes[i][0], .events = POLLIN};
  }
  while ((input[0].fd >= 0 || input[1].fd >= 0) && poll(input, 2, -1) > 0) {
    for (int i = 0; i < 2; ++i) {
      static char buffer[4096];
      if (input[i].revents == 0) continue;
      ssize_t size = read(input[i].fd, buffer, sizeof buffer);
      if (size <= 0) input[i].fd = -1;
      copy_all(serial[i], buffer, size);
    }
  }
  waitpid(pid, &status, 0);
  tcdrain(serial[0]);
  dprintf(serial[1], "\nguest-exit-status %d\n",
          WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  tcdrain(serial[1]);
  if (iopl(3) == 0)
    for (const char *c = "Shutdown"; *c; ++c) outb(*c, 0x8900);
  return 1;
}
