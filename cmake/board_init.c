/* PID 1 of the board that scripts/board.sh emulates. Runs /program with the NUL-separated arguments of /args, says how
 * much memory it had resident at its peak, and turns the board off. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static void run_program(void) {
  static char args[1 << 16], *argv[4096];
  int fd = open("/args", O_RDONLY), argc = 0;
  ssize_t size = read(fd, args, sizeof args - 1);
  for (char *arg = args; arg < args + size && argc < 4095; arg += strlen(arg) + 1) argv[argc++] = arg;
  execv("/program", argv);
  perror("cannot run the program");
  _exit(126);
}

static void show_line(const char *path, const char *key) {
  char line[256];
  FILE *file = fopen(path, "r");
  while (file && fgets(line, sizeof line, file))
    if (strncmp(line, key, strlen(key)) == 0) fputs(line, stdout);
  if (file) fclose(file);
}

int main(void) {
  int status = 0;
  struct rusage usage;
  mount("proc", "/proc", "proc", 0, NULL);
  mount("sysfs", "/sys", "sysfs", 0, NULL);
  dup2(open("/dev/console", O_RDWR), 0);
  dup2(0, 1);
  dup2(0, 2);
  show_line("/proc/meminfo", "MemTotal");
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) run_program();
  wait4(pid, &status, 0, &usage);
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  printf("exit status %d, peak resident memory %ld KiB\n", code, usage.ru_maxrss);
  fflush(stdout);
  tcdrain(1);
  reboot(RB_POWER_OFF);
  return 1;
}
