package notice

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// Service tells systemd how a service of Type=notify is doing. The zero value, and nil, tell nobody.
type Service struct {
	socket   string
	watchdog time.Duration
}

// NewService returns the service that the environment tells of; getenv is os.Getenv.
func NewService(getenv func(string) string) *Service {
	s := &Service{socket: getenv("NOTIFY_SOCKET")}
	usec, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64)
	pid := getenv("WATCHDOG_PID")
	if err == nil && usec > 0 && usec < int64(1e15) && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		s.watchdog = time.Duration(usec) * time.Microsecond
	}
	return s
}

// Watchdog returns within what time Alive is to be called again; 0 where nobody waits for it. Half of it is a good interval.
func (s *Service) Watchdog() time.Duration {
	if s == nil {
		return 0
	}
	return s.watchdog
}

// Ready says that the service has started.
func (s *Service) Ready() error { return s.notify("READY=1") }

// Stopping says that the service is about to end.
func (s *Service) Stopping() error { return s.notify("STOPPING=1") }

// Alive says that the service is at work.
func (s *Service) Alive() error { return s.notify("WATCHDOG=1") }

// Status says in one line what the service is doing.
func (s *Service) Status(text string) error { return s.notify("STATUS=" + line(text)) }

// notifyPatience is how long systemd may take to receive a message.
const notifyPatience = 5 * time.Second

// notify sends one assignment, as sd_notify(3) has it.
func (s *Service) notify(state string) error {
	if s == nil || s.socket == "" {
		return nil
	}
	if !strings.HasPrefix(s.socket, "/") && !strings.HasPrefix(s.socket, "@") {
		return fmt.Errorf("tell systemd: %q is neither a path nor an abstract socket", s.socket)
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("tell systemd: %w", err)
	}
	defer conn.Close()
	if err = conn.SetDeadline(time.Now().Add(notifyPatience)); err == nil {
		_, err = conn.Write([]byte(state))
	}
	if err != nil {
		return fmt.Errorf("tell systemd: %w", err)
	}
	return nil
}
